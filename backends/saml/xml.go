package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/beevik/etree"
)

// Limits of documents, beside their size: no metadata and no answer comes near.
const (
	maxDepth  = 64
	maxTokens = 50_000
)

// space is where the prefix xml is bound, always.
const (
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// Check tells why a document is no well-formed XML with namespaces. DTDs, and so entities, are refused; the encoding is UTF-8.
func Check(document []byte) error {
	document = bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
	d := xml.NewDecoder(bytes.NewReader(document))
	var open []element
	roots := 0
	for tokens := 0; ; tokens++ {
		if tokens > maxTokens {
			return fmt.Errorf("more than %d tokens", maxTokens)
		}
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) == 0 {
				roots++
			}
			if roots > 1 || len(open) >= maxDepth {
				return fmt.Errorf("line %d: a second root, or nesting deeper than %d", line(d), maxDepth)
			}
			e, err := enter(open, t)
			if err != nil {
				return fmt.Errorf("line %d: %w", line(d), err)
			}
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != t.Name {
				return fmt.Errorf("line %d: mismatched tag", line(d))
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) == 0 && strings.Trim(string(t), " \t\r\n") != "" {
				return fmt.Errorf("line %d: text outside the root", line(d))
			}
		case xml.Directive:
			return fmt.Errorf("line %d: document types are not allowed", line(d))
		}
	}
	switch {
	case roots == 0:
		return errors.New("no element found")
	case len(open) > 0:
		return errors.New("unclosed tag " + open[len(open)-1].name.Local)
	}
	return nil
}

func line(d *xml.Decoder) int { n, _ := d.InputPos(); return n }

// element is one that is open, with the namespaces that it binds.
type element struct {
	name   xml.Name
	spaces map[string]string
}

// enter checks the names of an element and of its attributes.
func enter(open []element, t xml.StartElement) (element, error) {
	e := element{name: t.Name, spaces: map[string]string{}}
	for _, a := range t.Attr {
		switch {
		case a.Name.Space == "xmlns":
			if a.Value == "" {
				return e, errors.New("a prefix bound to nothing")
			}
			e.spaces[a.Name.Local] = a.Value
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			e.spaces[""] = a.Value
		}
	}
	bound := func(prefix string) (string, bool) {
		if s, ok := e.spaces[prefix]; ok {
			return s, true
		}
		for i := len(open) - 1; i >= 0; i-- {
			if s, ok := open[i].spaces[prefix]; ok {
				return s, true
			}
		}
		switch prefix {
		case "xml":
			return spaceXML, true
		case "xmlns":
			return spaceXMLNS, true
		}
		return "", prefix == ""
	}
	if _, ok := bound(t.Name.Space); !ok {
		return e, errors.New("unbound prefix " + t.Name.Space)
	}
	seen := map[xml.Name]bool{}
	for _, a := range t.Attr {
		name := a.Name
		if name.Space != "" {
			s, ok := bound(name.Space)
			if !ok {
				return e, errors.New("unbound prefix " + name.Space)
			}
			name.Space = s
		}
		if seen[name] {
			return e, errors.New("duplicate attribute " + name.Local)
		}
		seen[name] = true
	}
	return e, nil
}

// parse reads a document that Check has nothing against.
func parse(document []byte) (*etree.Element, error) {
	if err := Check(document); err != nil {
		return nil, err
	}
	d := etree.NewDocument()
	if err := d.ReadFromBytes(bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))); err != nil {
		return nil, err
	}
	if d.Root() == nil {
		return nil, errors.New("no element found")
	}
	return d.Root(), nil
}

// decode reads an element into a struct.
func decode(e *etree.Element, into any) error {
	d := etree.NewDocument()
	d.SetRoot(e)
	text, err := d.WriteToBytes()
	if err != nil {
		return err
	}
	return xml.Unmarshal(text, into)
}
