package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source is one file that was read.
type source struct {
	path string
	tree map[string]any
}

const maxFiles = 1_000

// readFiles reads the main file and the *.yml files of the extra folder and
// returns them by falling priority: extra files in alphabetical order, then
// the main one. What can be left out is reported to warn; the rest is an error.
// where tells the folder, given the main file.
func readFiles(mainPath string, mainNamed bool, where func(main map[string]any) (dir string, named bool), warn func(string)) ([]source, error) {
	var problems []error
	main := source{path: mainPath, tree: map[string]any{}}
	text, err := readFile(mainPath)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !mainNamed:
	case err != nil:
		warn(fmt.Sprintf("configuration file left out: %v", err))
	default:
		if main.tree, err = parseYAML(text); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", mainPath, err))
		}
	}
	dir, named := where(main.tree)
	sources, err := readFolder(dir, named, warn)
	if err != nil {
		problems = append(problems, err)
	}
	return append(sources, main), errors.Join(problems...)
}

func readFolder(dir string, named bool, warn func(string)) ([]source, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		if named || !errors.Is(err, fs.ErrNotExist) {
			warn(fmt.Sprintf("configuration folder left out: %v", err))
		}
		return nil, nil
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), ".yml")
	})
	if len(entries) > maxFiles {
		return nil, fmt.Errorf("%s: more than %d files", dir, maxFiles)
	}
	var sources []source
	var problems []error
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		text, err := readFile(path)
		if err != nil {
			warn(fmt.Sprintf("configuration file left out: %v", err))
			continue
		}
		tree, err := parseYAML(text)
		switch {
		case errors.Is(err, errTag):
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
		case err != nil:
			warn(fmt.Sprintf("configuration file left out: %s: %v", path, err))
		default:
			sources = append(sources, source{path: path, tree: tree})
		}
	}
	return sources, errors.Join(problems...)
}

// readFile reads a regular file, a byte more than permitted at most.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return io.ReadAll(io.LimitReader(file, maxFileSize+1))
}

// merge returns high with what low has in addition: the first value wins,
// mappings merge at every depth, lists are concatenated. An empty value
// (null) does not hide a mapping or a list. Neither argument is changed.
func merge(high, low map[string]any) map[string]any {
	merged := make(map[string]any, len(high)+len(low))
	for name, value := range low {
		merged[name] = value
	}
	for name, value := range high {
		below, both := low[name]
		if both {
			value = mergeValue(value, below)
		}
		merged[name] = value
	}
	return merged
}

func mergeValue(high, low any) any {
	switch low := low.(type) {
	case map[string]any:
		if high == nil {
			return low
		}
		if mapping, ok := high.(map[string]any); ok {
			return merge(mapping, low)
		}
	case []any:
		if high == nil {
			return low
		}
		if list, ok := high.([]any); ok {
			return slices.Concat(list, low)
		}
	}
	return high
}

// lookup follows the dots of key. An error tells which section of it is no
// mapping.
func lookup(tree map[string]any, key string) (value any, found bool, err error) {
	parts := strings.Split(key, ".")
	for i, part := range parts[:len(parts)-1] {
		switch below := tree[part].(type) {
		case nil:
			return nil, false, nil
		case map[string]any:
			tree = below
		default:
			return nil, false, fmt.Errorf("%s %w", strings.Join(parts[:i+1], "."), errNotMapping)
		}
	}
	value, found = tree[parts[len(parts)-1]]
	return value, found, nil
}
