package api

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
)

// fieldError is one failure of one field (section 8).
type fieldError struct {
	Message      string `json:"message"`
	ConstraintID string `json:"constraint_id,omitempty"`
	Constraint   any    `json:"constraint,omitempty"`
}

var (
	errRequired = fieldError{"Missing data for required field.", "required", "required"}
	errNull     = fieldError{"Field may not be null.", "not_null", "not_null"}
	errString   = fieldError{"Not a valid string.", "type", "string"}
	errInteger  = fieldError{"Not a valid integer.", "type", "integer"}
	errBoolean  = fieldError{"Not a valid boolean.", "type", "boolean"}
	errList     = fieldError{"Not a valid list.", "type", "list"}
	errUUID     = fieldError{"Not a valid UUID.", "type", "uuid"}
	errEmail    = fieldError{"Not a valid email address.", "type", "email"}
	errObject   = fieldError{"Invalid type.", "type", "dict"}
	errInput    = fieldError{Message: "Invalid input type."}                                                // of the whole body, under the name _schema
	errKnown    = fieldError{"This password is known to guessers.", "unknown_password", "unknown_password"} // ours
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

func errShorter(low int) fieldError {
	return fieldError{fmt.Sprintf("Shorter than minimum length %d.", low), "length", map[string]any{"min": low, "max": nil}}
}

func errLonger(high int) fieldError {
	return fieldError{fmt.Sprintf("Longer than maximum length %d.", high), "length", map[string]any{"min": nil, "max": high}}
}

func errPattern(pattern string) fieldError {
	return fieldError{"String does not match expected pattern.", "regex", pattern}
}

func errChoice(choices []string) fieldError {
	return fieldError{"Must be one of: " + strings.Join(choices, ", ") + ".", "enum", map[string][]string{"choices": choices}}
}

// field describes one member of a body, in its table's order of declaration.
type field struct {
	name     string
	required bool
	nullable bool
	read     reader
}

// reader gives a member's value, or its failure: a fieldError (of its type), a []fieldError (of its constraints) or a
// *fieldErrors (of what is inside it).
type reader func(v any) (value, failure any)

// fieldErrors are the failures of a body, in the order of the table; each is what a reader gives.
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
			value, failure := f.read(v)
			if failure != nil {
				failed.add(f.name, failure)
			} else {
				values[f.name] = value
			}
		}
	}
	return values, failed
}

// MarshalJSON shows the failures under the names of their fields.
func (e *fieldErrors) MarshalJSON() ([]byte, error) { return json.Marshal(e.errors) }

// first is the error of the endpoints that report only the first failing field: its message, and details that lead to it
// (section 8). Nil without a failure.
func (e *fieldErrors) first(resource string) error {
	if len(e.names) == 0 {
		return nil
	}
	message, details := e.lead()
	return fault.Modern(fault.Invalid, "invalid-data", resource, message, details)
}

func (e *fieldErrors) lead() (message string, details map[string]any) {
	name := e.names[0]
	switch f := e.errors[name].(type) {
	case fieldError:
		return f.Message, map[string]any{name: f}
	case []fieldError:
		return f[0].Message, map[string]any{name: f[0]}
	case *fieldErrors:
		message, inner := f.lead()
		return message, map[string]any{name: inner}
	}
	return "", map[string]any{name: e.errors[name]}
}

// every is the error of the endpoints whose message is an object of all failures. Nil without a failure.
func (e *fieldErrors) every(id, resource string) error {
	if len(e.names) == 0 {
		return nil
	}
	return fault.Modern(fault.Invalid, id, resource, "invalid fields", map[string]any{allFields: e})
}

// supplied is the historic error that names the first failing field (section 7, B). Nil without a failure.
func (e *fieldErrors) supplied() error {
	if len(e.names) == 0 {
		return nil
	}
	return fault.Historic(fault.Invalid, "Invalid value supplied for field: "+e.names[0])
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
func anyString(v any) (value, failure any) {
	s, ok := v.(string)
	if !ok {
		return nil, errString
	}
	if strings.ContainsRune(s, 0) {
		return nil, []fieldError{errNUL}
	}
	return s, nil
}

// sized is a string of so many code points.
func sized(low, high int) reader {
	return func(v any) (value, failure any) {
		if value, failure = anyString(v); failure != nil {
			return nil, failure
		}
		if n := utf8.RuneCountInString(value.(string)); n < low || n > high { //nolint:forcetypeassert // anyString gives strings
			return nil, []fieldError{errLength(low, high)}
		}
		return value, nil
	}
}

// matching is a string of so many code points that a pattern matches as a whole; text is how clients are told of it. A
// wrong length hides a wrong pattern.
func matching(low, high int, pattern *regexp.Regexp, text string) reader {
	length := sized(low, high)
	return func(v any) (value, failure any) {
		if value, failure = length(v); failure != nil {
			return nil, failure
		}
		if !pattern.MatchString(value.(string)) { //nolint:forcetypeassert // sized gives strings
			return nil, []fieldError{errPattern(text)}
		}
		return value, nil
	}
}

// oneOf is a string out of a list.
func oneOf(choices ...string) reader {
	return func(v any) (value, failure any) {
		s, ok := v.(string)
		if !ok {
			return nil, errString
		}
		if !slices.Contains(choices, s) {
			return nil, []fieldError{errChoice(choices)}
		}
		return s, nil
	}
}

// truth is a boolean in any of the spellings of section 10.
func truth(v any) (value, failure any) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		if b, ok := booleans[v]; ok {
			return b, nil
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && (f == 0 || f == 1) {
			return f == 1, nil
		}
	}
	return nil, errBoolean
}

// identifier is a UUID in any spelling (section 10); its value is a uuid.UUID.
func identifier(v any) (value, failure any) {
	s, ok := v.(string)
	if !ok {
		return nil, errUUID
	}
	bare := strings.NewReplacer("urn:", "", "uuid:", "", "-", "", "{", "", "}", "").Replace(strings.ToLower(s))
	id, err := uuid.Parse(bare)
	if err != nil || len(bare) != 32 {
		return nil, errUUID
	}
	return id, nil
}

// integer is a number, whose fraction is cut, or a string holding a whole one (section 10).
func integer(low, high int64) reader {
	return func(v any) (value, failure any) {
		var f float64
		switch v := v.(type) {
		case json.Number:
			var err error
			if f, err = v.Float64(); err != nil && !math.IsInf(f, 0) {
				return nil, errInteger
			}
		case string:
			s := strings.TrimSpace(v)
			if strings.Trim(strings.TrimLeft(s, "+-"), "0123456789") != "" {
				return nil, errInteger
			}
			var err error
			if f, err = strconv.ParseFloat(s, 64); err != nil && !math.IsInf(f, 0) {
				return nil, errInteger
			}
		default:
			return nil, errInteger
		}
		if f = math.Trunc(f); f < float64(low) || f > float64(high) {
			return nil, []fieldError{errRange(low, high)}
		}
		return int64(f), nil
	}
}

// listOf is a list, bounded in length, of what each reads; failures are those of its elements, by index.
func listOf(most int, each reader) reader {
	return func(v any) (value, failure any) {
		items, ok := v.([]any)
		if !ok {
			return nil, errList
		}
		if len(items) > most {
			return nil, []fieldError{errLonger(most)}
		}
		values, failed := make([]any, len(items)), &fieldErrors{}
		for i, x := range items {
			if x == nil {
				failed.add(strconv.Itoa(i), errNull)
				continue
			}
			var wrong any
			if values[i], wrong = each(x); wrong != nil {
				failed.add(strconv.Itoa(i), wrong)
			}
		}
		if len(failed.names) > 0 {
			return nil, failed
		}
		return values, nil
	}
}

// object is an object with members of its own; otherwise is the failure of what is none. Its value is a map.
func object(table []field, otherwise any) reader {
	return func(v any) (value, failure any) {
		members, ok := v.(map[string]any)
		if !ok {
			return nil, otherwise
		}
		values, failed := check(members, table)
		if len(failed.names) > 0 {
			return nil, &failed
		}
		return values, nil
	}
}

// listOfStrings is a list of strings of bounded size.
func listOfStrings(most, longest int) reader {
	return func(v any) (value, failure any) {
		list, ok := v.([]any)
		if !ok {
			return nil, errList
		}
		if len(list) > most {
			return nil, []fieldError{errLength(0, most)}
		}
		out := make([]string, len(list))
		for i, x := range list {
			s, ok := x.(string)
			if !ok {
				return nil, errString
			}
			if len(s) > longest {
				return nil, []fieldError{errLength(0, longest)}
			}
			out[i] = s
		}
		return out, nil
	}
}

// text, textOrNil, yes and idOrNil read values that check has accepted; a member that was absent, or null, is the zero value.
func text(values map[string]any, name string) string { s, _ := values[name].(string); return s }

func textOrNil(values map[string]any, name string) *string {
	if s, ok := values[name].(string); ok {
		return &s
	}
	return nil
}

func yes(values map[string]any, name string, otherwise bool) bool {
	if b, ok := values[name].(bool); ok {
		return b
	}
	return otherwise
}

func idOrNil(values map[string]any, name string) *uuid.UUID {
	if u, ok := values[name].(uuid.UUID); ok {
		return &u
	}
	return nil
}
