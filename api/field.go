package api

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xivo-auth/xivo-auth/fault"
)

// fieldError is one failure of one field (section 8).
type fieldError struct {
	Message      string `json:"message"`
	ConstraintID string `json:"constraint_id"`
	Constraint   any    `json:"constraint"`
}

var (
	errRequired = fieldError{"Missing data for required field.", "required", "required"}
	errNull     = fieldError{"Field may not be null.", "not_null", "not_null"}
	errString   = fieldError{"Not a valid string.", "type", "string"}
	errInteger  = fieldError{"Not a valid integer.", "type", "integer"}
	errBoolean  = fieldError{"Not a valid boolean.", "type", "boolean"}
	errList     = fieldError{"Not a valid list.", "type", "list"}
	errNUL      = fieldError{"String does not match expected pattern.", "regex", `^[^\x00]*$`}
)

func errRange(low, high int64) fieldError {
	return fieldError{fmt.Sprintf("Must be greater than or equal to %d and less than or equal to %d.", low, high), "range",
		map[string]int64{"min": low, "max": high}}
}

func errAtLeast(low int64) fieldError {
	return fieldError{fmt.Sprintf("Must be greater than or equal to %d.", low), "range", map[string]int64{"min": low}}
}

func errLength(low, high int) fieldError {
	return fieldError{fmt.Sprintf("Length must be between %d and %d.", low, high), "length", map[string]int{"min": low, "max": high}}
}

func errChoice(choices []string) fieldError {
	return fieldError{"Must be one of: " + strings.Join(choices, ", ") + ".", "enum", map[string][]string{"choices": choices}}
}

// field describes one member of a body, in its table's order of declaration.
type field struct {
	name     string
	required bool
	nullable bool
	// read gives the member's value, the failure of its type, or those of its constraints.
	read func(v any) (value any, typeError *fieldError, broken []fieldError)
}

// fieldErrors are the failures of a body, in the order of the table. A value is a fieldError (type, null, missing) or a
// list of them (constraints).
type fieldErrors struct {
	names  []string
	errors map[string]any
}

func (e *fieldErrors) add(name string, v any) {
	if e.errors == nil {
		e.errors = map[string]any{}
	}
	e.names, e.errors[name] = append(e.names, name), v
}

// check validates a body against a table. Values of absent fields are absent.
func check(body map[string]any, table []field) (values map[string]any, failed fieldErrors) {
	values = make(map[string]any, len(table))
	for _, f := range table {
		v, present := body[f.name]
		switch {
		case !present && f.required:
			failed.add(f.name, errRequired)
		case !present:
		case v == nil && f.nullable:
			values[f.name] = nil
		case v == nil:
			failed.add(f.name, errNull)
		default:
			value, typeError, broken := f.read(v)
			switch {
			case typeError != nil:
				failed.add(f.name, *typeError)
			case len(broken) > 0:
				failed.add(f.name, broken)
			default:
				values[f.name] = value
			}
		}
	}
	return values, failed
}

// historic renders the failures as the one line of text of the historic body.
func (e *fieldErrors) historic() error {
	var parts []string
	for _, n := range e.names {
		switch v := e.errors[n].(type) {
		case fieldError:
			parts = append(parts, n+": "+v.Message)
		case []fieldError:
			for _, x := range v {
				parts = append(parts, n+": "+x.Message)
			}
		}
	}
	return fault.Historic(fault.Invalid, strings.Join(parts, " "))
}

// anyString is a string without U+0000, which PostgreSQL cannot store.
func anyString(v any) (any, *fieldError, []fieldError) {
	s, ok := v.(string)
	if !ok {
		return nil, &errString, nil
	}
	if strings.ContainsRune(s, 0) {
		return nil, nil, []fieldError{errNUL}
	}
	return s, nil, nil
}

// sized is a string of so many code points.
func sized(low, high int) func(any) (any, *fieldError, []fieldError) {
	return func(v any) (any, *fieldError, []fieldError) {
		s, wrong, broken := anyString(v)
		if wrong != nil || broken != nil {
			return nil, wrong, broken
		}
		text, _ := s.(string)
		if n := utf8.RuneCountInString(text); n < low || n > high {
			return nil, nil, []fieldError{errLength(low, high)}
		}
		return text, nil, nil
	}
}

// oneOf is a string out of a list.
func oneOf(choices ...string) func(any) (any, *fieldError, []fieldError) {
	return func(v any) (any, *fieldError, []fieldError) {
		s, ok := v.(string)
		if !ok {
			return nil, &errString, nil
		}
		for _, c := range choices {
			if s == c {
				return s, nil, nil
			}
		}
		return nil, nil, []fieldError{errChoice(choices)}
	}
}

// integer is a number, whose fraction is cut, or a string holding a whole one (section 10).
func integer(low, high int64) func(any) (any, *fieldError, []fieldError) {
	return func(v any) (any, *fieldError, []fieldError) {
		var f float64
		switch v := v.(type) {
		case json.Number:
			var err error
			if f, err = v.Float64(); err != nil && !math.IsInf(f, 0) {
				return nil, &errInteger, nil
			}
		case string:
			s := strings.TrimSpace(v)
			if strings.Trim(strings.TrimLeft(s, "+-"), "0123456789") != "" {
				return nil, &errInteger, nil
			}
			var err error
			if f, err = strconv.ParseFloat(s, 64); err != nil && !math.IsInf(f, 0) {
				return nil, &errInteger, nil
			}
		default:
			return nil, &errInteger, nil
		}
		if f = math.Trunc(f); f < float64(low) || f > float64(high) {
			return nil, nil, []fieldError{errRange(low, high)}
		}
		return int64(f), nil, nil
	}
}

// listOfStrings is a list of strings of bounded size.
func listOfStrings(most, longest int) func(any) (any, *fieldError, []fieldError) {
	return func(v any) (any, *fieldError, []fieldError) {
		list, ok := v.([]any)
		if !ok {
			return nil, &errList, nil
		}
		if len(list) > most {
			return nil, nil, []fieldError{errLength(0, most)}
		}
		out := make([]string, len(list))
		for i, x := range list {
			s, ok := x.(string)
			if !ok {
				return nil, &errString, nil
			}
			if len(s) > longest {
				return nil, nil, []fieldError{errLength(0, longest)}
			}
			out[i] = s
		}
		return out, nil, nil
	}
}
