package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/xivo-auth/xivo-auth/backends"
)

// Host runs the enabled plug-ins of this process.
type Host struct {
	o       Options
	m       *metrics
	plugins []*plugin
	// backends are those that a provider may name; they do not change after Load.
	backends  map[string]backends.Backend
	providers []backends.Entry
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// Load starts the enabled plug-ins, all at once, and returns when each has been loaded or dropped (at most about twice
// Options.StartTimeout). A plug-in that is missing or does not load is an error line and a health detail, never an
// error of Load (backends.md section 14); an error means wrong Options. Close must be called; ctx is for the start only.
func Load(ctx context.Context, o Options) (*Host, error) {
	o.defaults()
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if o.Dir, err = filepath.Abs(o.Dir); err != nil {
			return nil, fmt.Errorf("plug-ins directory: %w", err)
		}
	}
	h := &Host{o: o, m: m, backends: map[string]backends.Backend{}}
	for _, b := range o.BuiltIn {
		h.backends[b.Name()] = b
	}
	add := func(kind, name string) *plugin {
		p := &plugin{kind: kind, name: name, path: filepath.Join(o.Dir, kind, name), h: h, checksum: o.Checksums[kind+"/"+name],
			settings: o.Settings[kind+"/"+name], slots: make(chan struct{}, o.MaxConcurrent), since: time.Now(), state: StateDown}
		if p.settings == nil {
			p.settings = map[string]any{}
		}
		p.out = &lines{log: o.Log.With(slog.String("plugin", p.id()))}
		err := validName(name)
		if _, taken := h.backends[name]; taken && kind == KindBackend {
			err = errors.New("a backend of this build has its name")
		}
		if err != nil {
			p.set(StateDropped, err)
			o.Log.Error("a plug-in could not be loaded and is left out", "plugin", p.id(), "error", err.Error())
		}
		h.plugins = append(h.plugins, p)
		return p
	}
	sources := map[string]*plugin{}
	for _, name := range distinct(o.Backends) {
		sources[name] = add(KindBackend, name)
	}
	for _, name := range distinct(o.Metadata) {
		add(KindMetadata, name)
	}
	for _, name := range distinct(o.External) {
		add(KindExternalAuth, name)
	}
	if o.Email != "" {
		add(KindEmail, o.Email)
	}
	own := map[string]int{}
	for name, priority := range o.Providers {
		if p := sources[name]; p != nil && !exists(filepath.Join(o.Dir, KindIDP, name)) {
			own[name] = priority
			continue
		}
		add(KindIDP, name)
	}
	h.start(ctx)
	for _, p := range h.plugins {
		if !p.usable {
			continue
		}
		switch p.kind {
		case KindBackend:
			h.backends[p.name] = Backend{p}
			if priority, ok := own[p.name]; ok {
				h.providers = append(h.providers, backends.Entry{Provider: ownProvider{Backend{p}}, Priority: priority})
			}
		case KindIDP:
			h.providers = append(h.providers, backends.Entry{Provider: Provider{p}, Priority: o.Providers[p.name]})
		}
	}
	slices.SortStableFunc(h.providers, func(a, b backends.Entry) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Provider.Method(), b.Provider.Method()))
	})
	h.watch(ctx)
	return h, nil
}

func (h *Host) start(ctx context.Context) {
	var starting sync.WaitGroup
	for _, p := range h.plugins {
		if p.state == StateDropped {
			continue
		}
		starting.Go(func() { p.usable = p.first(ctx) })
	}
	starting.Wait()
}

func (h *Host) watch(ctx context.Context) {
	ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, p := range h.plugins {
		if p.usable {
			h.running.Go(func() { p.run(ctx) })
		}
	}
}

func distinct(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Backends are the loaded backend plug-ins, by name.
func (h *Host) Backends() []backends.Backend {
	var out []backends.Backend
	for _, p := range h.loaded(KindBackend) {
		out = append(out, Backend{p})
	}
	return out
}

// BackendNames are the enabled backend plug-ins that are installed, for GET /backends: also those that did not load.
func (h *Host) BackendNames() []string {
	var out []string
	for _, p := range h.plugins {
		if p.kind == KindBackend && validName(p.name) == nil && exists(p.path) {
			out = append(out, p.name)
		}
	}
	return out
}

// Providers are the loaded identity providers, backends that are their own among them, by rising priority.
func (h *Host) Providers() []backends.Entry { return slices.Clone(h.providers) }

// Metadata are the loaded metadata providers, by name.
func (h *Host) Metadata() []Metadata {
	var out []Metadata
	for _, p := range h.loaded(KindMetadata) {
		out = append(out, Metadata{p})
	}
	return out
}

// External are the loaded types of external accounts, by name.
func (h *Host) External() map[string]ExternalAuth {
	out := map[string]ExternalAuth{}
	for _, p := range h.loaded(KindExternalAuth) {
		out[p.name] = ExternalAuth{p}
	}
	return out
}

// Email is the loaded sender of mails; false if it is built in or did not load.
func (h *Host) Email() (Email, bool) {
	for _, p := range h.loaded(KindEmail) {
		return Email{p}, true
	}
	return Email{}, false
}

func (h *Host) loaded(kind string) []*plugin {
	var out []*plugin
	for _, p := range h.plugins {
		if p.kind == kind && p.usable {
			out = append(out, p)
		}
	}
	return out
}

// Health is the detail for operators, in a fixed order. A plug-in that is down does not make the service unready.
func (h *Host) Health() []Status {
	out := make([]Status, len(h.plugins))
	for i, p := range h.plugins {
		out[i] = p.status()
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return out
}

// Close ends all plug-ins, each given 3 s to end by itself, or none when ctx is over. No process is left when it returns
// without an error.
func (h *Host) Close(ctx context.Context) error {
	h.cancel()
	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, p := range h.plugins {
		if c := p.child.Load(); c != nil {
			_ = c.Kill(ctx)
		}
	}
	select {
	case <-done:
		return nil
	case <-time.After(stopGrace):
		return fmt.Errorf("stop plug-ins: %w", ctx.Err())
	}
}
