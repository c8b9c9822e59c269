package api

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/list"
)

// allFields is the key of fault details under which the errors of all fields travel to become the message.
const allFields = "\x00fields"

// query reads the parameters of a list (section 9) and gathers what is wrong with them. A parameter given twice counts
// once, the first time.
type query struct {
	values url.Values
	failed fieldErrors
}

func (q *query) get(name string) (string, bool) {
	v, ok := q.values[name]
	if !ok || len(v) == 0 {
		return "", false
	}
	return v[0], true
}

// count is a parameter that is a whole number, 0 at least.
func (q *query) count(name string) *int64 {
	s, ok := q.get(name)
	if !ok {
		return nil
	}
	if s == "" || strings.Trim(strings.TrimLeft(s, "+-"), "0123456789") != "" {
		q.failed.add(name, errInteger)
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		q.failed.add(name, errInteger)
		return nil
	}
	if n < 0 {
		q.failed.add(name, []fieldError{errAtLeast(0)})
		return nil
	}
	return &n
}

func (q *query) choice(name, otherwise string, choices ...string) string {
	s, ok := q.get(name)
	if !ok {
		return otherwise
	}
	for _, c := range choices {
		if s == c {
			return s
		}
	}
	q.failed.add(name, []fieldError{errChoice(choices)})
	return otherwise
}

// booleans are the spellings of section 10.
var booleans = spellings("t T true True TRUE on On ON y Y yes Yes YES 1", "f F false False FALSE off Off OFF n N no No NO 0")

func spellings(yes, no string) map[string]bool {
	m := map[string]bool{}
	for s := range strings.FieldsSeq(yes) {
		m[s] = true
	}
	for s := range strings.FieldsSeq(no) {
		m[s] = false
	}
	return m
}

func (q *query) boolean(name string) *bool {
	s, ok := q.get(name)
	if !ok {
		return nil
	}
	b, ok := booleans[s]
	if !ok {
		q.failed.add(name, errBoolean)
		return nil
	}
	return &b
}

func (q *query) text(name string) *string {
	s, ok := q.get(name)
	if !ok {
		return nil
	}
	if strings.ContainsRune(s, 0) {
		q.failed.add(name, []fieldError{errNUL})
		return nil
	}
	return &s
}

// instant is an exact-match filter: what cannot be read matches nothing, which the zero time does.
func (q *query) instant(name string) *time.Time {
	s, ok := q.get(name)
	if !ok {
		return nil
	}
	var zero time.Time
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999-07:00", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, strings.Replace(s, " ", "+", 1)); err == nil {
			return &t
		}
		if t, err := time.Parse(layout, s); err == nil {
			return &t
		}
	}
	q.failed.add(name, fieldError{"Not a valid datetime.", "type", "datetime"})
	return &zero
}

// page reads the parameters that every list has. Without an order given, defaultOrder counts.
func (q *query) page(defaultOrder string, columns ...string) (p list.Page, recurse bool) {
	p.Limit = q.count("limit")
	if o := q.count("offset"); o != nil {
		p.Offset = *o
	}
	p.OrderBy = q.choice("order", defaultOrder, columns...)
	p.Descending = q.choice("direction", "asc", "asc", "desc") == "desc"
	if r := q.boolean("recurse"); r != nil {
		recurse = *r
	}
	return p, recurse
}

// err is the failure of the whole query, or nil.
func (q *query) err() error { return q.failed.every("invalid-list-param", "users") }

// equal is an exact-match filter on a uuid: it compares text, so what is no uuid in its canonical spelling matches nothing,
// which a fresh uuid does.
func (q *query) equal(name string) *uuid.UUID {
	s, ok := q.get(name)
	if !ok {
		return nil
	}
	if u, err := uuid.Parse(s); err == nil && u.String() == s {
		return &u
	}
	none := uuid.New()
	return &none
}
