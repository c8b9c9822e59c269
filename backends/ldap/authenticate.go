package ldap

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
)

// authenticate is the algorithm of backends.md section 8, up to the e-mail address.
func (s *Source) authenticate(ctx context.Context, c *Config, login, password string) (email string, err error) {
	dn, email := buildDN(c.LoginAttribute, login, c.BaseDN), ""
	if c.BindDN != "" && c.BindPassword != "" {
		if dn, email, err = s.find(ctx, c, login); err != nil {
			return "", err
		}
	}
	own, err := dial(ctx, c, s.d.Roots)
	if err != nil {
		return "", &refusal{"connect", err}
	}
	defer own.close()
	switch err := own.bind(ctx, dn, password); {
	case err == nil:
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultBusy, goldap.LDAPResultUnavailable) || !answered(err):
		return "", &refusal{"bind as the user", err}
	default:
		return "", &refusal{why: "bind as the user: " + reason(err)}
	}
	if email == "" {
		entries, err := own.search(ctx, dn, goldap.ScopeBaseObject, "(objectClass=*)", c.EmailAttribute)
		switch {
		case err != nil && !answered(err):
			return "", &refusal{"read the own entry as the user", err}
		case err != nil:
			return "", &refusal{why: "read the own entry as the user: " + reason(err)}
		case len(entries) == 1:
			email = address(entries[0], c.EmailAttribute)
		}
	}
	if email == "" {
		return "", &refusal{why: "the entry has no e-mail address, or one that cannot be read"}
	}
	return email, nil
}

// find looks up the entry of a login as the service account, over a connection that is kept for the next time.
func (s *Source) find(ctx context.Context, c *Config, login string) (dn, email string, err error) {
	filter, err := buildFilter(c.SearchFilters, login, c.LoginAttribute, c.EmailAttribute)
	if err != nil {
		return "", "", &refusal{"build the filter", err}
	}
	k := keyOf(c)
	if kept := s.pool.take(k); kept != nil {
		entries, err := kept.search(ctx, c.BaseDN, goldap.ScopeWholeSubtree, filter, c.EmailAttribute)
		switch {
		case err == nil || several(err):
			s.pool.put(k, kept)
			return one(entries, err, c)
		case errors.Is(err, errTimeout) || ctx.Err() != nil:
			kept.close()
			s.pool.forget(k)
			return "", "", &refusal{"search", err}
		}
		kept.close() // the server has ended it, or changed its mind about the account: a new one tells
	}
	fresh, err := dial(ctx, c, s.d.Roots)
	if err != nil {
		return "", "", &refusal{"connect", err}
	}
	if err := fresh.bind(ctx, c.BindDN, c.BindPassword); err != nil {
		fresh.close()
		return "", "", &refusal{"bind as the service account", err}
	}
	entries, err := fresh.search(ctx, c.BaseDN, goldap.ScopeWholeSubtree, filter, c.EmailAttribute)
	if err != nil && !several(err) {
		fresh.close()
		return "", "", &refusal{"search", err}
	}
	s.pool.put(k, fresh)
	return one(entries, err, c)
}

// several is a server that has more than the one entry it may send.
func several(err error) bool {
	return goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded)
}

// one is the only entry that a search found.
func one(entries []*goldap.Entry, err error, c *Config) (dn, email string, refused error) {
	switch {
	case err != nil || len(entries) > 1:
		return "", "", &refusal{why: "several entries match the login"}
	case len(entries) == 0 || entries[0].DN == "": // a bind without a name is an anonymous one
		return "", "", &refusal{why: "no entry matches the login"}
	}
	return entries[0].DN, address(entries[0], c.EmailAttribute), nil
}

// address is the first value of the attribute in lower case; empty if there is none.
func address(e *goldap.Entry, attribute string) string {
	text := e.GetEqualFoldAttributeValue(attribute)
	if !utf8.ValidString(text) {
		return ""
	}
	return strings.ToLower(text)
}
