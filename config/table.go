package config

import (
	"reflect"
	"strconv"
	"strings"
)

// setting is one leaf of a process's struct: what the loader, the listing and
// the documentation know about a key.
type setting struct {
	key      string   // as in the files, with dots
	variable string   // empty: files only
	doc      string   // what it means
	oneof    []string // permitted words, empty for any
	least    string   // bounds of a number, empty for none
	most     string
	standard string // what to print as the default where it depends on the host
	value    reflect.Value
}

// settings lists the leaves of the struct that process points to, in the order
// of its fields.
func settings(process any) []setting {
	return appendSettings(nil, reflect.ValueOf(process).Elem(), "", "")
}

func appendSettings(list []setting, v reflect.Value, keyPrefix, varPrefix string) []setting {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name := tag.Get("yaml")
		if v.Field(i).Kind() == reflect.Struct {
			section := keyPrefix
			if name != ",inline" {
				section += name + "."
			}
			list = appendSettings(list, v.Field(i), section, varPrefix+tag.Get("envPrefix"))
			continue
		}
		s := setting{
			key:      keyPrefix + name,
			doc:      tag.Get("doc"),
			standard: tag.Get("standard"),
			value:    v.Field(i),
		}
		if variable := tag.Get("env"); variable != "" {
			s.variable = varPrefix + variable
		}
		if words := tag.Get("oneof"); words != "" {
			s.oneof = strings.Split(words, ",")
		}
		s.least, s.most, _ = strings.Cut(tag.Get("range"), "..")
		list = append(list, s)
	}
	return list
}

// name is how an error names the setting: variable and key.
func (s setting) name() string {
	if s.variable == "" {
		return s.key
	}
	return s.variable + " (" + s.key + ")"
}

// bounds says in words what values are permitted; empty when any are.
func (s setting) bounds() string {
	switch {
	case len(s.oneof) > 0:
		return strings.Join(s.oneof, ", ")
	case s.least == "":
		return ""
	case s.value.Type() == reflect.TypeFor[Bytes]():
		return s.bytesText(s.least) + " to " + s.bytesText(s.most)
	default:
		return s.least + " to " + s.most
	}
}

func (setting) bytesText(number string) string {
	n, _ := strconv.ParseInt(number, 10, 64)
	return Bytes(n).String()
}

// within returns what is wrong with the value, or nothing.
func (s setting) within() string {
	if len(s.oneof) > 0 {
		for _, word := range s.oneof {
			if strings.EqualFold(word, s.value.String()) {
				return ""
			}
		}
		return "must be one of " + s.bounds()
	}
	if s.least == "" {
		return ""
	}
	least, _ := strconv.ParseFloat(s.least, 64)
	most, _ := strconv.ParseFloat(s.most, 64)
	number, ok := s.number()
	if !ok || number < least || number > most {
		return "must be " + s.bounds()
	}
	return ""
}

// known is a tree of key names; it holds every key of every process and the
// keys of wazo-auth that have no effect here.
type known struct {
	children map[string]*known
	any      bool // whatever is below is accepted
}

func (k *known) add(key string) {
	node := k
	for _, part := range strings.Split(key, ".") {
		if part == "*" {
			node.any = true
			return
		}
		if node.children == nil {
			node.children = map[string]*known{}
		}
		if node.children[part] == nil {
			node.children[part] = &known{}
		}
		node = node.children[part]
	}
}

// knownKeys returns the tree, and the variables of all processes: true where a
// variable exists, false where the key is of the files only.
func knownKeys() (*known, map[string]bool) {
	root := &known{}
	variables := map[string]bool{}
	api, worker, tool := DefaultAPI(), DefaultWorker(), DefaultTool()
	for _, process := range []any{&api, &worker, &tool} {
		for _, s := range settings(process) {
			root.add(s.key)
			if s.variable != "" {
				variables[s.variable] = true
			} else {
				variables[variableOf(s.key)] = false
			}
		}
	}
	for _, u := range unusedKeys {
		root.add(u.key)
	}
	return root, variables
}

// variableOf returns the variable's name that belongs to a key.
func variableOf(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// unknown calls report with the path of every key of tree that k does not
// hold; below an unknown key it does not look further.
func (k *known) unknown(tree map[string]any, path string, report func(path string)) {
	for _, name := range sortedKeys(tree) {
		child := k.children[name]
		if child == nil {
			if !k.any {
				report(path + name)
			}
			continue
		}
		if below, ok := tree[name].(map[string]any); ok && len(child.children) > 0 {
			child.unknown(below, path+name+".", report)
		}
	}
}
