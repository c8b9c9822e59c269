package config

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Live is the configuration of a running API process as its operators see it, and its two switches that can be turned
// without a restart (operations.md section 5).
type Live struct {
	level      *slog.LevelVar
	configured slog.Level // the least level without debug
	plugins    map[string]bool
	shown      map[string]any
	record     func(ctx context.Context, changes []Change) error

	mu               sync.Mutex
	debug, profiling bool
}

// The switches of a running process, by the keys of the configuration.
const (
	SwitchDebug     = "debug"
	SwitchProfiling = "profiling_enabled"
)

// Change is one switch turned.
type Change struct {
	Key string
	On  bool
}

// NewLive makes it. level is the process's; backends are the names of the loaded ones; record, if not nil, is called with
// changes before they are made, and keeps them from being made by an error.
func NewLive(c *API, level *slog.LevelVar, backends []string, record func(ctx context.Context, changes []Change) error) *Live {
	quiet := c.Log
	quiet.Debug = false
	l := &Live{level: level, configured: quiet.Level(), plugins: c.EnabledHTTPPlugins, debug: c.Debug, profiling: c.ProfilingEnabled,
		shown: shown(c), record: record}
	l.shown["log_level"] = pythonLevel(l.configured)
	l.shown["loaded_plugins"] = append([]string{}, backends...)
	return l
}

// HTTPPlugin tells whether a part of the REST interface is switched on; one that the configuration does not know is not.
func (l *Live) HTTPPlugin(name string) bool { return l.plugins[name] }

// Show gives every key with its value, sections as mappings, secrets masked; what is not set is null. Nobody may change
// what it returns but its first level.
func (l *Live) Show() map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]any, len(l.shown))
	for k, v := range l.shown {
		all[k] = v
	}
	all["debug"], all["profiling_enabled"] = l.debug, l.profiling
	return all
}

// Apply turns switches in their order, all or, with an error, none. Debug has the process log everything, or what it was
// configured to.
func (l *Live) Apply(ctx context.Context, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	if l.record != nil {
		if err := l.record(ctx, changes); err != nil {
			return fmt.Errorf("record a change of the configuration: %w", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range changes {
		switch x.Key {
		case SwitchDebug:
			l.debug = x.On
		case SwitchProfiling:
			l.profiling = x.On
		}
	}
	if l.debug {
		l.level.Set(slog.LevelDebug)
	} else {
		l.level.Set(l.configured)
	}
	return nil
}

// Profiling tells whether profiles are served.
func (l *Live) Profiling() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.profiling
}

// pythonLevel is a level as wazo-auth numbers it.
func pythonLevel(l slog.Level) int {
	switch {
	case l >= LevelCritical:
		return 50
	case l >= slog.LevelError:
		return 40
	case l >= slog.LevelWarn:
		return 30
	case l >= slog.LevelInfo:
		return 20
	}
	return 10
}

// shown is the tree of a process's settings.
func shown(process any) map[string]any {
	tree := map[string]any{}
	for _, s := range settings(process) {
		at, name := tree, s.key
		for {
			section, rest, below := strings.Cut(name, ".")
			if !below {
				break
			}
			next, ok := at[section].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[section] = next
			}
			at, name = next, rest
		}
		at[name] = plain(s.value)
		if settings, ok := s.value.Interface().(map[string]map[string]any); ok { // of plug-ins, which may hold anything
			at[name] = namesOnly(settings)
		}
	}
	return tree
}

// namesOnly are settings that only their plug-in understands, each value masked: it may be a secret.
func namesOnly(all map[string]map[string]any) map[string]any {
	tree := make(map[string]any, len(all))
	for plugin, settings := range all {
		below := make(map[string]any, len(settings))
		for name := range settings {
			below[name] = masked
		}
		tree[plugin] = below
	}
	return tree
}

// plain turns a value into what JSON has: durations are seconds, secrets masked, empty text null.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		if x%time.Second == 0 {
			return int64(x / time.Second)
		}
		return x.Seconds()
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil || len(text) == 0 {
			return nil
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 {
			return nil
		}
		return v.String()
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.Map:
		tree := make(map[string]any, v.Len())
		for _, k := range v.MapKeys() {
			tree[k.String()] = plain(v.MapIndex(k))
		}
		return tree
	case reflect.Struct:
		tree := make(map[string]any, v.NumField())
		for i := range v.NumField() {
			tree[strings.ToLower(v.Type().Field(i).Name)] = plain(v.Field(i))
		}
		return tree
	default:
		return v.Interface()
	}
}
