package events

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Origin is the installation that tells its events.
type Origin struct {
	// UUID is the header origin_uuid; null when empty.
	UUID string
	// Location is the zone of the header timestamp.
	Location *time.Location
}

// Message is what is published of an event, the same in every attempt.
type Message struct {
	// ID is the AMQP message id.
	ID         uuid.UUID
	Name       string
	RoutingKey string
	// Headers hold strings, true, and null for an installation without a uuid.
	Headers map[string]any
	// Body is JSON in ASCII: the headers, and the payload as "data" (section 2).
	Body []byte
}

// timestampLayout is ISO 8601 in microseconds, without a zone (section 3).
const timestampLayout = "2006-01-02T15:04:05.000000"

// Message writes the event d, which happened at a moment and has an id, as a message.
func (o Origin) Message(id uuid.UUID, at time.Time, d Description) (Message, error) {
	m := Message{ID: id, Name: d.Name, RoutingKey: d.RoutingKey, Headers: map[string]any{
		"name":            d.Name,
		"origin_uuid":     nil,
		"timestamp":       at.In(o.Location).Format(timestampLayout),
		"required_access": "event." + d.Name,
		"required_acl":    "events." + d.RoutingKey,
		"tenant_uuid":     d.Tenant.String(),
	}}
	if o.UUID != "" {
		m.Headers["origin_uuid"] = o.UUID
	}
	if d.Audience != "" {
		m.Headers[audienceHeader(d.Audience)] = true
	}
	if d.Session != nil {
		m.Headers["session_uuid"] = d.Session.String()
	}
	data, encoded := d.Data.(json.RawMessage)
	if !encoded {
		var err error
		if data, err = json.Marshal(d.Data); err != nil {
			return Message{}, fmt.Errorf("encode event %s: %w", d.Name, err)
		}
	}
	m.Body = ascii(body(m.Headers, data))
	return m, nil
}

// body is the object of the headers and "data", the names in order. A backlog is published as fast as this is.
func body(headers map[string]any, data []byte) []byte {
	names := make([]string, 0, 16)
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	b := make([]byte, 0, 1024+len(data))
	b = append(b, `{"data":`...)
	b = append(b, data...)
	for _, name := range names {
		b = appendString(append(b, ','), name)
		switch v := headers[name].(type) {
		case string:
			b = appendString(append(b, ':'), v)
		case bool:
			b = strconv.AppendBool(append(b, ':'), v)
		default:
			b = append(b, ":null"...)
		}
	}
	return append(b, '}')
}

// appendString appends a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			text, _ := json.Marshal(s) // of a string it never fails
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// audienceHeader is the header of whom an event is for. AMQP has no names beyond 255 bytes: of an auth id that would make
// a longer one its SHA-256 is named.
func audienceHeader(audience string) string {
	const prefix = "user_uuid:"
	if len(prefix)+len(audience) > maxKey {
		audience = digest(audience)
	}
	return prefix + audience
}

// ascii escapes in JSON what is not ASCII.
func ascii(text []byte) []byte {
	clean := true
	for _, b := range text {
		clean = clean && b < utf8.RuneSelf
	}
	if clean {
		return text
	}
	var b strings.Builder
	b.Grow(2 * len(text))
	for _, r := range string(text) {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escape(&b, high)
			escape(&b, low)
		default:
			escape(&b, r)
		}
	}
	return []byte(b.String())
}

func escape(b *strings.Builder, r rune) {
	digits := strconv.FormatInt(int64(r), 16)
	b.WriteString(`\u`)
	b.WriteString("0000"[len(digits):])
	b.WriteString(digits)
}
