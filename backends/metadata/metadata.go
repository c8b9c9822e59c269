// Package metadata composes the metadata of tokens from providers by the purpose of the user (backends.md section 12 of
// the contract): the default provider of the purpose first, then those that the configuration adds; later ones override
// equal keys.
package metadata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/xivo-auth/xivo-auth/backends"
)

// defaults are the provider that each purpose must have.
var defaults = map[string]string{"user": "default_user", "internal": "default_internal", "external_api": "default_external_api"}

// Purposes knows which providers fill the metadata for which purpose. It does not change after New.
type Purposes struct {
	providers map[string][]backends.MetadataProvider
	missing   map[string]string
}

// New chooses from the available providers: those that are enabled, in the order of the mapping. What the configuration
// names in vain is a warning; a purpose without its default provider fails every login with it.
func New(log *slog.Logger, available []backends.MetadataProvider, enabled map[string]bool, mapping map[string][]string) *Purposes {
	byName := map[string]backends.MetadataProvider{}
	for _, p := range available {
		if enabled[p.Name()] {
			byName[p.Name()] = p
		}
	}
	for _, name := range slices.Sorted(maps.Keys(enabled)) {
		if enabled[name] && byName[name] == nil {
			log.Error("a metadata plug-in is enabled but not installed; it is left out", "plugin", name)
		}
	}
	p := &Purposes{providers: map[string][]backends.MetadataProvider{}, missing: map[string]string{}}
	for purpose, first := range defaults {
		if byName[first] == nil {
			log.Warn("Purposes must have the following metadata plugins enabled: " + first)
			p.missing[purpose] = first
			continue
		}
		p.providers[purpose] = []backends.MetadataProvider{byName[first]}
	}
	for _, purpose := range slices.Sorted(maps.Keys(mapping)) {
		if defaults[purpose] == "" {
			log.Warn("Configuration has undefined purpose: " + purpose)
			continue
		}
		for _, name := range mapping[purpose] {
			if byName[name] == nil {
				log.Warn("A purpose has been assigned to an invalid metadata plugin: " + name)
				continue
			}
			if !slices.ContainsFunc(p.providers[purpose], func(x backends.MetadataProvider) bool { return x.Name() == name }) {
				p.providers[purpose] = append(p.providers[purpose], byName[name])
			}
		}
	}
	return p
}

// Default is what holds without any configuration.
func Default(xivoUUID *string) *Purposes {
	p := &Purposes{providers: map[string][]backends.MetadataProvider{}}
	for name := range defaults {
		p.providers[name] = []backends.MetadataProvider{purpose{name, xivoUUID}}
	}
	return p
}

// Token are the metadata of a token of the subject, who is a user of ours.
func (p *Purposes) Token(ctx context.Context, s backends.Subject) (map[string]any, error) {
	return p.merge(s, func(m backends.MetadataProvider) (map[string]any, error) { return m.TokenMetadata(ctx, s) })
}

// Persistent are what is kept with a refresh token of the subject.
func (p *Purposes) Persistent(ctx context.Context, s backends.Subject) (map[string]any, error) {
	return p.merge(s, func(m backends.MetadataProvider) (map[string]any, error) { return m.PersistentMetadata(ctx, s) })
}

func (p *Purposes) merge(s backends.Subject, ask func(backends.MetadataProvider) (map[string]any, error)) (map[string]any, error) {
	if s.User == nil {
		return nil, fmt.Errorf("metadata of a login without a user: %w", errors.ErrUnsupported)
	}
	if name := p.missing[s.User.Purpose]; name != "" {
		return nil, fmt.Errorf("the metadata plug-in %s of purpose %s is not enabled", name, s.User.Purpose)
	}
	all := map[string]any{}
	for _, m := range p.providers[s.User.Purpose] {
		got, err := ask(m)
		if err != nil {
			return nil, fmt.Errorf("metadata plug-in %s: %w", m.Name(), err)
		}
		maps.Copy(all, got)
	}
	return all, nil
}
