package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	maxFileSize = 1 << 20
	maxNodes    = 200_000
)

// errTag is a tag that this program does not follow; it ends the start in
// whatever file it stands, for the value behind it would be missing.
var errTag = errors.New("tag refused")

// parseYAML reads one file as a mapping. Errors name line and column and never
// quote the text, which may hold secrets.
func parseYAML(text []byte) (map[string]any, error) {
	if len(text) > maxFileSize {
		return nil, fmt.Errorf("longer than %d bytes", maxFileSize)
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, position(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return nil, errors.New("more than one YAML document")
		}
		body = doc.Body
	}
	if body == nil || body.Type() == ast.NullType {
		return map[string]any{}, nil
	}
	if _, err := (&inspector{anchors: map[string]int{}}).size(body); err != nil {
		return nil, err
	}
	var value any
	if err := yaml.NodeToValue(body, &value, yaml.AllowDuplicateMapKey()); err != nil {
		return nil, position(err)
	}
	switch tree := value.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return tree, nil
	}
	return nil, errors.New("the file must be a mapping")
}

// position keeps the place of a YAML error and drops its text.
func position(err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil && syntax.GetToken().Position != nil {
		at := syntax.GetToken().Position
		return fmt.Errorf("line %d, column %d: not valid YAML", at.Line, at.Column)
	}
	return errors.New("not valid YAML")
}

// inspector refuses foreign tags and files that aliases would blow up.
type inspector struct {
	anchors map[string]int
}

// size counts the values below node, aliases as often as they are used.
func (i *inspector) size(node ast.Node) (int, error) {
	var children []ast.Node
	switch n := node.(type) {
	case *ast.TagNode:
		if tag := n.Start.Value; !strings.HasPrefix(tag, "!!") {
			if tag == "!exec" {
				return 0, fmt.Errorf("line %d: %w: !exec would run a program; write its output here instead", n.Start.Position.Line, errTag)
			}
			return 0, fmt.Errorf("line %d: %w: only YAML's own tags are known", n.Start.Position.Line, errTag)
		}
		children = []ast.Node{n.Value}
	case *ast.AnchorNode:
		total, err := i.size(n.Value)
		if err == nil {
			i.anchors[n.Name.String()] = total
		}
		return total, err
	case *ast.AliasNode:
		below, known := i.anchors[n.Value.String()]
		if !known {
			return 0, fmt.Errorf("line %d: alias without an anchor before it", n.Start.Position.Line)
		}
		return 1 + below, nil
	case *ast.MappingNode:
		for _, v := range n.Values {
			children = append(children, v)
		}
	case *ast.MappingValueNode:
		children = []ast.Node{n.Key, n.Value}
	case *ast.MappingKeyNode:
		children = []ast.Node{n.Value}
	case *ast.SequenceNode:
		children = n.Values
	}
	total := 1
	for _, child := range children {
		if child == nil {
			continue
		}
		below, err := i.size(child)
		if err != nil {
			return 0, err
		}
		if total += below; total > maxNodes {
			return 0, fmt.Errorf("more than %d values", maxNodes)
		}
	}
	return total, nil
}
