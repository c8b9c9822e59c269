package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// problems collects what is wrong, one problem per key.
type problems struct {
	settings  map[string]setting
	variables map[string]string
	sources   []source
	seen      map[string]bool
	found     []error
}

// add reports a problem of a key with its variable and where it was set.
func (p *problems) add(key, text string) {
	if p.seen[key] {
		return
	}
	p.seen[key] = true
	s := p.settings[key]
	for _, line := range strings.Split(text, "\n") {
		p.found = append(p.found, fmt.Errorf("%s: %s%s", s.name(), line, p.origin(s)))
	}
}

func (p *problems) origin(s setting) string {
	if s.variable != "" && p.variables[s.variable] != "" {
		return ", set in the environment"
	}
	var paths []string
	for _, src := range p.sources {
		value, found, err := lookup(src.tree, s.key)
		if err == nil && (!found || value == nil) {
			continue
		}
		paths = append(paths, src.path)
		switch value.(type) {
		case map[string]any, []any: // the files are put together
		default:
			return ", set in " + strings.Join(paths, ", ")
		}
	}
	if len(paths) == 0 {
		return ""
	}
	return ", set in " + strings.Join(paths, ", ")
}

func checkAPI(c *API, p *problems) {
	checkShared(&c.Shared, p)
	checkListen("internal.listen", c.Internal.Listen, p)
	checkListen("rest_api.listen", c.REST.Listen, p)
	if c.REST.Port != 0 && c.REST.Port == c.Internal.Port && c.REST.Listen == c.Internal.Listen {
		p.add("internal.port", "must differ from rest_api.port")
	}
	if c.TokenCleanupInterval > 0 && c.TokenCleanupInterval < time.Second {
		p.add("token_cleanup_interval", "must be 1 or more, or 0 or less for never")
	}
	if c.BootstrapUserOnStartup && c.BootstrapUserUsername == "" {
		p.add("bootstrap_user_username", "is required when bootstrap_user_on_startup is true")
	}
	if c.BootstrapUserOnStartup && c.BootstrapUserPassword == "" {
		p.add("bootstrap_user_password", "is required when bootstrap_user_on_startup is true")
	}
	checkAMQP(c.AMQP, p)
	checkMails(&c.Mails, p)
	checkContent(&c.Content, p)
	checkExternal(&c.External, p)
}

// longestSlug of a policy or a group, and so of their names, in characters.
const longestSlug = 80

// checkContent refuses slugs that the database cannot hold side by side.
func checkContent(c *Content, p *problems) {
	checkSlugs("default_policies", sortedKeys(c.DefaultPolicies), p)
	checkSlugs("tenant_default_groups", sortedKeys(c.TenantDefaultGroups), p)
}

func checkSlugs(key string, slugs []string, p *problems) {
	seen := map[string]string{}
	for _, slug := range slugs {
		if n := utf8.RuneCountInString(slug); n < 1 || n > longestSlug {
			p.add(key, fmt.Sprintf("%s: must have 1 to %d characters", slug, longestSlug))
		}
		lower := strings.ToLower(slug)
		if other, double := seen[lower]; double {
			p.add(key, fmt.Sprintf("%s and %s differ in case only", other, slug))
		}
		seen[lower] = slug
	}
}

func checkAMQP(a AMQP, p *problems) {
	if a.URI != "" {
		if u, err := url.Parse(a.URI.Reveal()); err != nil || u.Host == "" || u.Scheme != "amqp" && u.Scheme != "amqps" {
			p.add("amqp.uri", "must be a URI of the form amqp://user:password@host:port/, special characters percent-encoded")
		}
		if a.ExchangeName == "" {
			p.add("amqp.exchange_name", "must not be empty")
		}
	}
}

func checkWorker(c *Worker, p *problems) {
	checkShared(&c.Shared, p)
	checkAMQP(c.AMQP, p)
	checkExternal(&c.External, p)
	checkListen("internal.listen", c.Internal.Listen, p)
	if host, port, err := net.SplitHostPort(c.Temporal.Address); err != nil || host == "" || port == "" {
		p.add("temporal.address", "must be host:port")
	}
	if c.Temporal.Namespace == "" {
		p.add("temporal.namespace", "must not be empty")
	}
	if c.Temporal.TLS.CertFile != "" && c.Temporal.TLS.KeyFile == "" {
		p.add("temporal.tls.key_file", "is required with temporal.tls.cert_file")
	}
	if c.Temporal.TLS.KeyFile != "" && c.Temporal.TLS.CertFile == "" {
		p.add("temporal.tls.cert_file", "is required with temporal.tls.key_file")
	}
}

func checkShared(c *Shared, p *problems) {
	if _, err := postgres(c.DBURI); err != nil {
		p.add("db_uri", err.Error())
	}
	if c.StateDir == "" {
		p.add("state_dir", "must not be empty")
	}
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$`)

// checkListen wants an address or a host name, without a port.
func checkListen(key, listen string, p *problems) {
	if net.ParseIP(strings.Trim(listen, "[]")) == nil && !hostName.MatchString(listen) {
		p.add(key, "must be an address or a host name, without a port")
	}
}

// DSN returns db_uri as PostgreSQL's own URI: without SQLAlchemy's driver and
// with the database named like the role when none is named. It holds the
// password: never log it.
func (d Database) DSN() string {
	u, err := postgres(d.DBURI)
	if err != nil { // refused when it was loaded
		return d.DBURI.Reveal()
	}
	return u.String()
}

// clientOnly are parameters of libpq that the server does not know; files of
// SQLAlchemy users may hold them.
var clientOnly = []string{
	"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
	"tcp_user_timeout", "gssencmode", "sslcompression",
}

// postgres reads db_uri; its error does not quote it.
func postgres(uri URI) (*url.URL, error) {
	u, err := url.Parse(uri.Reveal())
	if err != nil {
		return nil, errors.New("must be a URI of the form postgresql://role:password@host:port/database, special characters percent-encoded")
	}
	scheme, _, _ := strings.Cut(u.Scheme, "+")
	if scheme != "postgresql" && scheme != "postgres" || u.Opaque != "" {
		return nil, errors.New("must begin with postgresql://")
	}
	u.Scheme = "postgresql"
	query := u.Query()
	if role := u.User.Username(); strings.Trim(u.Path, "/") == "" && role != "" && !query.Has("dbname") && !query.Has("database") {
		u.Path = "/" + role
	}
	for _, name := range clientOnly {
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return u, nil
}
