package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultTimeout of a call whose context has no earlier deadline.
	DefaultTimeout = 10 * time.Second
	// maxAnswer is the longest answer that is read, in bytes.
	maxAnswer = 64 << 20
	version   = "/0.1"
)

// Client calls one server.
type Client struct {
	base          string
	http          *http.Client
	token, tenant string
	userAgent     string

	Tokens        Tokens
	RefreshTokens RefreshTokens
	Sessions      Sessions
	Users         Users
	Tenants       Tenants
	Groups        Groups
	Policies      Policies
	LDAPConfigs   LDAPConfigs
	External      External
}

// Option changes how a new client works.
type Option func(*Client)

// WithHTTPClient has calls made as by h, instead of a client with DefaultTimeout; no redirect is followed.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithUserAgent names the calling program.
func WithUserAgent(name string) Option { return func(c *Client) { c.userAgent = name } }

// New makes a client of a server such as http://127.0.0.1:9497, or https://host/api/auth behind a proxy.
func New(address string, options ...Option) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("client: %q is no http or https address", address)
	}
	c := &Client{base: strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), http: &http.Client{Timeout: DefaultTimeout}, userAgent: "xivo-auth-client"}
	for _, o := range options {
		o(c)
	}
	// A redirect is no answer, and X-Auth-Token would go where it leads.
	h := *c.http
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &h
	return c.wired(), nil
}

// With is this client with another token.
func (c *Client) With(token string) *Client {
	other := *c
	other.token = token
	return other.wired()
}

// In is this client in another tenant: the one that lists and creations are about.
func (c *Client) In(tenant string) *Client {
	other := *c
	other.tenant = tenant
	return other.wired()
}

func (c *Client) wired() *Client {
	c.Tokens, c.RefreshTokens, c.Sessions = Tokens{c}, RefreshTokens{c}, Sessions{c}
	c.Users, c.Tenants, c.Groups, c.Policies = Users{c}, Tenants{c}, Groups{c}, Policies{c}
	c.LDAPConfigs = LDAPConfigs{c}
	c.External = External{c}
	return c
}

// Error is an answer that is no success.
type Error struct {
	StatusCode int
	// ID is the machine-readable error id; empty for errors of the historic shape.
	ID       string
	Message  string
	Resource string
	Details  map[string]any
	// RetryAfter is what the server asks to wait; 0 says nothing.
	RetryAfter time.Duration
}

// Error says what the server said.
func (e *Error) Error() string {
	if e.Message == "" {
		return "xivo-auth answered " + strconv.Itoa(e.StatusCode)
	}
	return fmt.Sprintf("xivo-auth answered %d: %s", e.StatusCode, e.Message)
}

// call is one request.
type call struct {
	method string
	// path has its variable parts escaped already.
	path  string
	query url.Values
	body  any
	// user and password are Basic credentials, sent when basic is set.
	user, password string
	basic          bool
	header         http.Header
	// only is the one status that is a success; 0 is any 2xx.
	only int
}

// do makes a call and decodes a successful answer into out, if out is not nil.
func (c *Client) do(ctx context.Context, r call, out any) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("client: read the answer: %w", err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("client: an answer of more than %d bytes", maxAnswer)
	}
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusMultipleChoices || r.only != 0 && r.only != resp.StatusCode {
		return failure(resp, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("client: read the answer: %w", err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, r call) (*http.Response, error) {
	for s := range strings.SplitSeq(r.path[1:], "/") {
		if s == "" || s == "." || s == ".." { // it would be another route's
			return nil, fmt.Errorf("client: %q identifies nothing", s)
		}
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("client: encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	address := c.base + version + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("client: make the request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("X-Auth-Token", c.token)
	}
	if c.tenant != "" {
		req.Header.Set("Wazo-Tenant", c.tenant)
	}
	if r.basic {
		req.SetBasicAuth(r.user, r.password)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("client: %s %s: %w", r.method, c.base, withoutAddress(err))
	}
	return resp, nil
}

// withoutAddress takes the address out of an error of net/http: it may hold a token.
func withoutAddress(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // it is never wrapped
		return u.Err
	}
	return err
}

// failure reads either shape of an error (conventions.md section 7).
func failure(resp *http.Response, text []byte) error {
	e := &Error{StatusCode: resp.StatusCode}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	var body struct {
		Message  any      `json:"message"`
		ID       any      `json:"error_id"`
		Resource string   `json:"resource"`
		Details  any      `json:"details"`
		Reason   []string `json:"reason"`
	}
	if json.Unmarshal(text, &body) != nil {
		return e
	}
	e.ID, _ = body.ID.(string)
	e.Details, _ = body.Details.(map[string]any)
	e.Resource = body.Resource
	switch m := body.Message.(type) {
	case string:
		e.Message = m
	case nil:
		e.Message = strings.Join(body.Reason, "; ")
	default: // the object of all failing fields
		if all, err := json.Marshal(m); err == nil {
			e.Message = string(all)
		}
	}
	return e
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T `json:"items"`
	// Total counts what there is, Filtered what search and filters leave; policies have no Filtered.
	Total    int `json:"total"`
	Filtered int `json:"filtered"`
}

// ListOptions say which part of a list is wanted. The zero value is everything.
type ListOptions struct {
	Search string
	// Order is a column, Direction asc or desc; empty is the server's choice.
	Order, Direction string
	// Limit of 0 is no limit.
	Limit, Offset int
	// Recurse adds the tenants below.
	Recurse bool
	// Filters are further parameters, by name.
	Filters map[string]string
}

func (o ListOptions) values() url.Values {
	v := url.Values{}
	for name, text := range map[string]string{"search": o.Search, "order": o.Order, "direction": o.Direction} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if o.Limit > 0 {
		v.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Offset > 0 {
		v.Set("offset", strconv.Itoa(o.Offset))
	}
	if o.Recurse {
		v.Set("recurse", "true")
	}
	for name, text := range o.Filters {
		v.Set(name, text)
	}
	return v
}

// list gets a page of anything.
func list[T any](ctx context.Context, c *Client, path string, o ListOptions) (Page[T], error) {
	var p Page[T]
	err := c.do(ctx, call{method: http.MethodGet, path: path, query: o.values()}, &p)
	return p, err
}

// path joins segments, each escaped.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
