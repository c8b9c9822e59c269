package token

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/xivo-auth/xivo-auth/acl"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
)

// Limits of the check. Two queries in flight measured best (docs/performance.md); the time-out keeps the promise that an
// outage of the database is answered within a second.
const (
	maxLookUpBatch   = 512
	maxLookUpsAtOnce = 2
	maxLookUpsQueued = 20_000
	lookUpTimeout    = 900 * time.Millisecond
	maxCompiledLists = 4096
	// CheckConns is how many connections the look-ups use: their own pool should hold one more for access lists.
	CheckConns = maxLookUpsAtOnce + 1
)

// Holder is a live token as a check sees it.
type Holder struct {
	AuthID  string
	Session string // its uuid, as text: what access lists are matched with
	list    *acl.List
}

// Allows tells whether the token's access list grants an access.
func (h *Holder) Allows(access string) bool { return h.list.Allows(access, h.AuthID, h.Session) }

// MayAdd tells whether the holder may grant an access to somebody (organisation.md section 7).
func (h *Holder) MayAdd(access string) bool { return h.list.MayAdd(access, h.AuthID, h.Session) }

// MayRemove tells whether the holder may take an access away from somebody.
func (h *Holder) MayRemove(access string) bool { return h.list.MayRemove(access, h.AuthID, h.Session) }

// Checker answers "is this token valid?" from the database's present state. Nothing about a token is cached, only
// compiled access lists, which are stored under the hash of their content and so cannot be stale.
type Checker struct {
	pool  db.DBTX
	rows  coalescer[row]
	lists *lru.Cache[key, *acl.List]
}

type row struct {
	session, authID string
	list            key
}

// NewChecker makes a checker on a pool of its own (CheckConns connections), on the primary: on a shared one its batches
// would queue behind writers.
func NewChecker(pool db.DBTX) *Checker {
	lists, err := lru.New[key, *acl.List](maxCompiledLists)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	c := &Checker{pool: pool, lists: lists}
	c.rows = coalescer[row]{fetch: c.fetch, maxBatch: maxLookUpBatch, maxInFlight: maxLookUpsAtOnce, maxPending: maxLookUpsQueued, timeout: lookUpTimeout}
	return c
}

func (c *Checker) fetch(ctx context.Context, keys [][]byte, emit func([]byte, row)) error {
	// A dead connection is replaced at once: a restart of the database is not the caller's trouble.
	return db.Retry(ctx, func() error {
		found, err := db.New().TokenLookUp(ctx, c.pool, keys)
		if err != nil {
			return err
		}
		for i := range found {
			f := &found[i]
			emit(f.TokenHash, row{session: f.Session, authID: f.AuthID, list: key(f.AccessList)})
		}
		return nil
	})
}

// Find looks a token up. Unknown, expired and revoked ones are fault.NotFound; fault.Unavailable says that the database
// could not be asked within a second.
func (c *Checker) Find(ctx context.Context, secret string) (*Holder, error) {
	r, found, err := c.rows.get(ctx, Hash(secret))
	if err != nil {
		return nil, cannotTell(err)
	}
	if !found {
		return nil, ErrNoSuchToken()
	}
	list, err := c.list(ctx, r.list)
	if err != nil {
		return nil, err
	}
	return &Holder{AuthID: r.authID, Session: r.session, list: list}, nil
}

func (c *Checker) list(ctx context.Context, id key) (*acl.List, error) {
	if l, ok := c.lists.Get(id); ok {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	var entries []string
	err := db.Retry(ctx, func() (err error) {
		entries, err = db.New().AccessListGet(ctx, c.pool, id[:])
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoSuchToken() // swept: the token that named it had gone before
	}
	if err != nil {
		return nil, cannotTell(err)
	}
	l := acl.Compile(entries)
	c.lists.Add(id, l)
	return l, nil
}

// cannotTell turns a failed look-up into "try again": never into "no such token".
func cannotTell(err error) error {
	if db.Unavailable(err) || errors.Is(err, errOverloaded) {
		f := fault.Historic(fault.Unavailable, "The token cannot be checked at the moment")
		f.RetryAfter = time.Second
		return f.Because(err)
	}
	return fmt.Errorf("look up token: %w", err)
}

// ErrNoSuchToken is the answer for a token that is not known, expired or revoked (tokens.md section 4).
func ErrNoSuchToken() error { return fault.Historic(fault.NotFound, "No such token") }

// Question is what a service asks about a token.
type Question struct {
	// Scope is the access that is needed; nil asks for none.
	Scope *string
	// Tenant must be the owner's tenant or one below it; empty is not checked.
	Tenant string
}

// Check answers a question: nil, fault.NotFound, fault.Forbidden or fault.Unavailable (tokens.md section 4).
func (c *Checker) Check(ctx context.Context, secret string, q Question) (*Holder, error) {
	h, err := c.Find(ctx, secret)
	if err != nil {
		return nil, err
	}
	if q.Scope != nil && !h.Allows(*q.Scope) {
		return nil, fault.Historic(fault.Forbidden, "Unauthorized for "+ascii(*q.Scope))
	}
	if q.Tenant != "" {
		if err := c.checkTenant(ctx, h, q.Tenant); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// CheckScopes tells for each scope whether it is granted (tokens.md section 5).
func (c *Checker) CheckScopes(ctx context.Context, secret string, scopes []string, tenant string) (map[string]bool, error) {
	h, err := c.Check(ctx, secret, Question{Tenant: tenant})
	if err != nil {
		return nil, err
	}
	granted := make(map[string]bool, len(scopes))
	for _, s := range scopes {
		granted[s] = h.Allows(s)
	}
	return granted, nil
}

func (c *Checker) checkTenant(ctx context.Context, h *Holder, tenant string) error {
	owner, err := c.Owner(ctx, h)
	if err != nil {
		return err
	}
	if owner.Service {
		return nil
	}
	refused := fault.Historic(fault.Forbidden, "Unauthorized for tenant "+ascii(tenant))
	if owner.Tenant == nil {
		return refused
	}
	within, err := c.Contains(ctx, *owner.Tenant, tenant)
	if err != nil {
		return err
	}
	if !within {
		return refused
	}
	return nil
}

// Owner is who a token belongs to, now.
type Owner struct {
	// User is nil for tokens of nobody of ours.
	User *uuid.UUID
	// Tenant is the user's present tenant; nil for mail tokens, which belong to none.
	Tenant *uuid.UUID
	// Service tokens pass every tenant check.
	Service bool
}

// Owner reads to whom a token belongs now.
func (c *Checker) Owner(ctx context.Context, h *Holder) (Owner, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	session, err := uuid.Parse(h.Session)
	if err != nil {
		return Owner{}, fmt.Errorf("session of a token: %w", err)
	}
	var r db.TokenOwnerRow
	err = db.Retry(ctx, func() (err error) {
		r, err = db.New().TokenOwner(ctx, c.pool, session)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Owner{}, ErrNoSuchToken()
	}
	if err != nil {
		return Owner{}, cannotTell(err)
	}
	o := Owner{User: r.UserUUID, Service: r.Kind == KindService}
	if r.Kind == KindUser || o.Service {
		o.Tenant = &r.TenantUUID
	}
	return o, nil
}

// Contains tells whether a tenant, as spelled by a client, is an ancestor or lies below it. Spellings are compared
// exactly: anything but the lower-case form is no tenant (conventions.md section 5).
func (c *Checker) Contains(ctx context.Context, ancestor uuid.UUID, tenant string) (bool, error) {
	id, err := uuid.Parse(tenant)
	if err != nil || id.String() != tenant {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	var within bool
	err = db.Retry(ctx, func() (err error) {
		within, err = db.New().TenantContains(ctx, c.pool, db.TenantContainsParams{TenantUUID: id, AncestorUUID: ancestor})
		return err
	})
	if err != nil {
		return false, cannotTell(err)
	}
	return within, nil
}

// ascii takes accents off letters and drops what else is not ASCII: texts of the historic body are ASCII.
func ascii(s string) string {
	out := make([]byte, 0, len(s))
	for _, r := range norm.NFD.String(s) {
		if r <= unicode.MaxASCII {
			out = utf8.AppendRune(out, r)
		}
	}
	return string(out)
}
