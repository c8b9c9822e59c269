package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"
)

// maxEntries bounds every list and mapping of the configuration.
const maxEntries = 10_000

var errTooMany = fmt.Errorf("must have at most %d entries", maxEntries)

// parsers returns how text becomes a value, for the environment and for single
// values of the files alike. Text that is not secret may be quoted in errors.
func parsers() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[bool]():            func(text string) (any, error) { return parseBool(text) },
		reflect.TypeFor[int]():             func(text string) (any, error) { return parseInt(text) },
		reflect.TypeFor[time.Duration]():   func(text string) (any, error) { return parseSeconds(text) },
		reflect.TypeFor[Bytes]():           func(text string) (any, error) { return parseBytes(text) },
		reflect.TypeFor[[]string]():        func(text string) (any, error) { return parseList(text) },
		reflect.TypeFor[map[string]bool](): func(text string) (any, error) { return parseSwitches(text) },
		reflect.TypeFor[[]SealingKey](): func(text string) (any, error) {
			list, err := parseList(text)
			if err != nil {
				return nil, err
			}
			return parseSealingKeys(list)
		},
	}
}

// parseBool knows the words of YAML 1.1 too, which the files were written for.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "on", "1", "t", "y":
		return true, nil
	case "false", "no", "off", "0", "f", "n":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, errors.New("must be a whole number")
	}
	return n, nil
}

func parseSeconds(text string) (time.Duration, error) {
	s, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(s) || math.Abs(s) > 1e9 {
		return 0, errors.New("must be a number of seconds")
	}
	return time.Duration(math.Round(s * float64(time.Second))), nil
}

func parseList(text string) ([]string, error) {
	list := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
		if len(list) > maxEntries {
			return nil, errTooMany
		}
	}
	return list, nil
}

func parseSwitches(text string) (map[string]bool, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	switches := make(map[string]bool, len(list))
	for i, part := range list {
		name, value, _ := strings.Cut(part, ":")
		on, err := parseBool(value)
		if name = strings.TrimSpace(name); name == "" || err != nil {
			return nil, fmt.Errorf("entry %d must be name:true or name:false", i+1)
		}
		switches[name] = on
	}
	return switches, nil
}

// number returns the value as the bounds count it: durations in seconds.
func (s setting) number() (float64, bool) {
	switch v := s.value.Interface().(type) {
	case time.Duration:
		return v.Seconds(), true
	case Bytes:
		return float64(v), true
	case int:
		return float64(v), true
	}
	return 0, false
}

// setFromEnv sets the field of process that variable belongs to.
func setFromEnv(process any, variable, text string) error {
	err := env.ParseWithOptions(process, env.Options{
		Environment: map[string]string{variable: text},
		FuncMap:     parsers(),
	})
	var all env.AggregateError
	var parse env.ParseError
	if errors.As(err, &all) && len(all.Errors) > 0 && errors.As(all.Errors[0], &parse) {
		return parse.Err
	}
	return err
}
