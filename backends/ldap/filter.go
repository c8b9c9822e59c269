package ldap

import (
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// Limits of what is built from a login; a longer one is nobody's.
const (
	maxLogin    = 1024
	maxTemplate = 8192
)

// defaultFilter finds the entry of a login where the configuration has no filter of its own.
const defaultFilter = "{user_login_attribute}={username}"

// buildFilter fills a template of backends.md section 8 and adds the outer parentheses that it may lack. Values are escaped:
// whatever the login is, it cannot change the filter's structure. An error is a template that makes no filter.
func buildFilter(template, login, loginAttribute, emailAttribute string) (string, error) {
	if template == "" {
		template = defaultFilter
	}
	if len(template) > maxTemplate {
		return "", fmt.Errorf("search_filters is longer than %d bytes", maxTemplate)
	}
	filled, err := fill(template, map[string]string{"username": goldap.EscapeFilter(login),
		"user_login_attribute": goldap.EscapeFilter(loginAttribute), "user_email_attribute": goldap.EscapeFilter(emailAttribute)})
	if err != nil {
		return "", err
	}
	filled = strings.TrimSpace(filled)
	if !strings.HasPrefix(filled, "(") {
		filled = "(" + filled + ")"
	}
	if _, err := goldap.CompileFilter(filled); err != nil {
		return "", errors.New("search_filters makes no LDAP filter")
	}
	return filled, nil
}

// fill replaces placeholders in braces; doubled braces stand for themselves.
func fill(template string, values map[string]string) (string, error) {
	var b strings.Builder
	for {
		i := strings.IndexAny(template, "{}")
		if i < 0 {
			b.WriteString(template)
			return b.String(), nil
		}
		b.WriteString(template[:i])
		brace := template[i]
		template = template[i+1:]
		if template != "" && template[0] == brace {
			b.WriteByte(brace)
			template = template[1:]
			continue
		}
		name, rest, closed := strings.Cut(template, "}")
		if brace == '}' || !closed {
			return "", errors.New("search_filters has a lone brace")
		}
		value, known := values[name]
		if !known {
			return "", errors.New("search_filters has an unknown placeholder")
		}
		b.WriteString(value)
		template = rest
	}
}

// buildDN is the name of the entry of a login below a base. The login is escaped: it stays one value.
func buildDN(loginAttribute, login, base string) string {
	return loginAttribute + "=" + goldap.EscapeDN(login) + "," + base
}
