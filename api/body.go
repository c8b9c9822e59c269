package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

// readObject reads a JSON body whatever its Content-Type says, except forms (section 2). The map keeps numbers as they
// were written and null apart from absence; unknown fields stay in it. An empty value of another type counts as {};
// ok is false for anything else that is no object.
func readObject(c *gin.Context, limit int64) (object map[string]any, ok bool, err error) {
	v, err := readValue(c, limit)
	if err != nil {
		return nil, false, err
	}
	switch v := v.(type) {
	case map[string]any:
		return v, true, nil
	case nil:
		return map[string]any{}, true, nil
	case bool:
		return map[string]any{}, !v, nil
	case string:
		return map[string]any{}, v == "", nil
	case []any:
		return map[string]any{}, len(v) == 0, nil
	case json.Number:
		f, err := v.Float64()
		return map[string]any{}, err == nil && f == 0, nil
	}
	return nil, false, errMalformedBody
}

// readValue reads a body of any JSON value by the same rules.
func readValue(c *gin.Context, limit int64) (v any, err error) {
	if kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err == nil &&
		(kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data") {
		return nil, errMalformedBody
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errBodyTooLarge
	}
	if err != nil || !utf8.Valid(text) {
		return nil, errMalformedBody
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, errMalformedBody
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errMalformedBody // something follows the value
	}
	return v, nil
}
