package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

var (
	errNotSingle  = errors.New("must be a single value")
	errNotText    = errors.New("must be text")
	errNotList    = errors.New("must be a list")
	errNotMapping = errors.New("must be a mapping")
)

// setFromFile sets field to what the merged files hold for it. A mapping is
// merged into the built-in one, a list replaces it.
func setFromFile(field reflect.Value, value any) error {
	switch target := field.Addr().Interface().(type) {
	case *[]string:
		return assign(target, value, decodeList)
	case *[]SealingKey:
		return assign(target, value, func(value any) ([]SealingKey, error) {
			list, err := decodeList(value)
			if err != nil {
				return nil, err
			}
			return parseSealingKeys(list)
		})
	case *map[string]bool:
		return decodeMap(target, value, func(_ bool, value any) (bool, error) { return decodeBool(value) })
	case *map[string]string:
		return decodeMap(target, value, func(_ string, value any) (string, error) { return decodeText(value) })
	case *map[string][]string:
		return decodeMap(target, value, func(_ []string, value any) ([]string, error) { return decodeList(value) })
	case *map[string]map[string]any:
		return decodeMap(target, value, func(_ map[string]any, value any) (map[string]any, error) {
			settings, ok := value.(map[string]any)
			if !ok {
				return nil, errNotMapping
			}
			return settings, nil
		})
	case *map[string]IDPPlugin:
		return decodeMap(target, value, decodeIDP)
	case *map[string]Policy:
		return decodeMap(target, value, decodePolicy)
	case *map[string]Group:
		return decodeMap(target, value, decodeGroup)
	}
	text, err := decodeText(value)
	if err != nil {
		return err
	}
	parse, found := parsers()[field.Type()]
	if !found { // string, Secret, URI
		field.SetString(text)
		return nil
	}
	parsed, err := parse(text)
	if err != nil {
		return err
	}
	field.Set(reflect.ValueOf(parsed))
	return nil
}

func assign[T any](target *T, value any, decode func(any) (T, error)) error {
	decoded, err := decode(value)
	if err == nil {
		*target = decoded
	}
	return err
}

// decodeMap merges value into *target; element gets what is there already.
// Errors of all elements are reported, each with its path.
func decodeMap[T any](target *map[string]T, value any, element func(old T, value any) (T, error)) error {
	tree, ok := value.(map[string]any)
	if !ok {
		return errNotMapping
	}
	if len(tree) > maxEntries {
		return errTooMany
	}
	merged := maps.Clone(*target)
	if merged == nil {
		merged = map[string]T{}
	}
	var problems []error
	for _, name := range sortedKeys(tree) {
		if tree[name] == nil { // "name:" sets nothing
			continue
		}
		decoded, err := element(merged[name], tree[name])
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
			continue
		}
		merged[name] = decoded
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	*target = merged
	return nil
}

func decodeText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case uint64, int64, int:
		return fmt.Sprint(v), nil
	}
	return "", errNotSingle
}

func decodeBool(value any) (bool, error) {
	text, err := decodeText(value)
	if err != nil {
		return false, err
	}
	return parseBool(text)
}

func decodeList(value any) ([]string, error) {
	items, ok := value.([]any)
	if !ok {
		return nil, errNotList
	}
	if len(items) > maxEntries {
		return nil, errTooMany
	}
	list := make([]string, len(items))
	for i, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("entry %d: %w", i+1, errNotText)
		}
		list[i] = text
	}
	return list, nil
}

// defaultPriority is that of an identity provider that names none.
const defaultPriority = 100

func decodeIDP(old IDPPlugin, value any) (IDPPlugin, error) {
	tree, err := fieldsOf(value, "enabled", "priority")
	if err != nil {
		return IDPPlugin{}, err
	}
	if old == (IDPPlugin{}) {
		old.Priority = defaultPriority
	}
	if v := tree["enabled"]; v != nil {
		if old.Enabled, err = decodeBool(v); err != nil {
			return IDPPlugin{}, fmt.Errorf("enabled: %w", err)
		}
	}
	if v := tree["priority"]; v != nil {
		text, err := decodeText(v)
		if err == nil {
			old.Priority, err = parseInt(text)
		}
		if err != nil {
			return IDPPlugin{}, fmt.Errorf("priority: %w", err)
		}
	}
	return old, nil
}

func decodePolicy(_ Policy, value any) (Policy, error) {
	tree, err := fieldsOf(value, "acl", "description")
	if err != nil {
		return Policy{}, err
	}
	policy := Policy{Description: "Automatically created"}
	if tree["acl"] == nil {
		return Policy{}, errors.New("acl is required")
	}
	if policy.ACL, err = decodeList(tree["acl"]); err != nil {
		return Policy{}, fmt.Errorf("acl: %w", err)
	}
	if v := tree["description"]; v != nil {
		if policy.Description, err = decodeText(v); err != nil {
			return Policy{}, fmt.Errorf("description: %w", err)
		}
	}
	return policy, nil
}

func decodeGroup(_ Group, value any) (Group, error) {
	tree, err := fieldsOf(value, "policies")
	if err != nil {
		return Group{}, err
	}
	group := Group{Policies: map[string]bool{}}
	if v := tree["policies"]; v != nil {
		err = decodeMap(&group.Policies, v, func(_ bool, value any) (bool, error) { return decodeBool(value) })
		if err != nil {
			return Group{}, fmt.Errorf("policies: %w", err)
		}
	}
	return group, nil
}

// fieldsOf returns value as a mapping that holds no other names than these.
func fieldsOf(value any, names ...string) (map[string]any, error) {
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, errNotMapping
	}
	for _, name := range sortedKeys(tree) {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("unknown key %s", name)
		}
	}
	return tree, nil
}

func sortedKeys[V any](tree map[string]V) []string {
	return slices.Sorted(maps.Keys(tree))
}
