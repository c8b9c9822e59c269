package api

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

// formFile is an uploaded file. Its name may be empty.
type formFile struct {
	name string
	text []byte
}

// form is a body of forms; the first of what has one name counts.
type form struct {
	values map[string]string
	files  map[string]formFile
}

// readForm reads a multipart or urlencoded body. Anything else, and what is no form at all, is an empty one.
func readForm(c *gin.Context, limit int64) (form, error) {
	f := form{values: map[string]string{}, files: map[string]formFile{}}
	body := http.MaxBytesReader(c.Writer, c.Request.Body, limit)
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	switch {
	case err != nil:
	case kind == "multipart/form-data":
		err = f.readParts(multipart.NewReader(body, params["boundary"]))
	case kind == "application/x-www-form-urlencoded":
		var text []byte
		if text, err = io.ReadAll(body); err == nil {
			f.readQuery(string(text))
		}
	}
	if err == nil { // what is left counts too
		_, err = io.Copy(io.Discard, body)
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return f, errBodyTooLarge
	}
	return f, nil
}

func (f *form) readQuery(text string) {
	for part := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(part, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 == nil && err2 == nil && part != "" {
			f.set(n, v)
		}
	}
}

func (f *form) set(name, value string) {
	if _, twice := f.values[name]; !twice {
		f.values[name] = strings.ToValidUTF8(value, "\uFFFD")
	}
}

// readParts reads the parts of a multipart body. A part with a filename is a file, even if that is empty.
func (f *form) readParts(r *multipart.Reader) error {
	for {
		part, err := r.NextRawPart()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			params = nil // then it has no name
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		name := params["name"]
		filename, isFile := params["filename"]
		_, twice := f.files[name]
		switch {
		case name == "":
		case !isFile:
			f.set(name, string(text))
		case !twice:
			f.files[name] = formFile{name: filename, text: text}
		}
	}
}
