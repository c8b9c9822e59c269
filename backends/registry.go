package backends

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Registry holds the loaded sources of this process. It does not change after New.
type Registry struct {
	providers []Provider
	names     []string
	log       *slog.Logger
}

// Entry is a provider with its place in the order: lower priority is asked first, equal ones in the order given.
type Entry struct {
	Provider Provider
	Priority int
}

// NewRegistry orders the providers. The last entry by priority is normally the native one, which claims every request with
// credentials. backendNames are the enabled backends as GET /backends lists them.
func NewRegistry(log *slog.Logger, entries []Entry, backendNames []string) *Registry {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b Entry) int { return cmp.Compare(a.Priority, b.Priority) })
	r := &Registry{log: log, names: slices.Sorted(slices.Values(backendNames))}
	for _, e := range sorted {
		r.providers = append(r.providers, e.Provider)
	}
	return r
}

// Names lists the enabled backends.
func (r *Registry) Names() []string { return r.names }

// Methods lists the authentication methods of the loaded providers, each once.
func (r *Registry) Methods() []string {
	var methods []string
	for _, p := range r.providers {
		if m := p.Method(); !slices.Contains(methods, m) {
			methods = append(methods, m)
		}
	}
	return methods
}

// For finds the provider that claims a request. Nil: nobody does.
func (r *Registry) For(ctx context.Context, req *Request) Provider {
	for _, p := range r.providers {
		mine, err := p.Claims(ctx, req)
		if err != nil {
			r.log.ErrorContext(ctx, "a provider failed when it was asked whether a login is its own", "method", p.Method(), "error", err)
			continue
		}
		if mine {
			return p
		}
	}
	return nil
}

// ByMethod finds the provider of an authentication method with the lowest priority number.
func (r *Registry) ByMethod(method string) (Provider, error) {
	for _, p := range r.providers {
		if p.Method() == method {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no provider is loaded for the authentication method %q: %w", method, errors.ErrUnsupported)
}
