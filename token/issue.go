package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/acl"
	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/tracing"
	"github.com/xivo-auth/xivo-auth/trail"
)

// Request is a validated wish for a token.
type Request struct {
	backends.Request
	// Lifetime of the token; 0 means the configured default.
	Lifetime time.Duration
	// Offline asks for a refresh token for ClientID.
	Offline  bool
	ClientID string
	// RefreshToken, if not nil, is what the login is bought with; everything else about credentials is then ignored.
	RefreshToken *string
	// Source is the address that failures count under: the client's, or the peer's where that is none.
	Source string
}

// with says in the trail what a login was bought with.
func (r *Request) with() map[string]any {
	if r.RefreshToken != nil {
		return map[string]any{"with": "refresh_token"}
	}
	if _, ok := r.Raw["saml_session_id"]; ok {
		return map[string]any{"with": "saml_session_id"}
	}
	return map[string]any{"with": "password"}
}

// Issued is a new token: the only time its secret is known.
type Issued struct {
	Token
	Secret string
	// RefreshToken is empty unless the login was offline.
	RefreshToken string
	// Revoked is how many earlier sessions this login ended.
	Revoked int
}

// login is an accepted login with everything the transaction has to compare again.
type login struct {
	accepted backends.Accepted
	subject  backends.Subject
	method   string
	refresh  *db.RefreshTokenFindRow
	metadata map[string]any
	// persistent metadata of an offline login.
	persistent map[string]any
	accesses   []string
}

// Issue verifies a login and gives out a token, in the order of checks of tokens.md section 3. A refusal is
// fault.Unauthenticated, the session limit and the throttle fault.Exhausted. What was verified is verified again inside the transaction
// that writes the token, under a lock on the user: a password changed, a user disabled or a refresh token deleted
// meanwhile refuses the login.
func (s *Service) Issue(ctx context.Context, r *Request) (Issued, error) {
	l, err := s.verify(ctx, r)
	if err != nil {
		return Issued{}, s.refused(ctx, r, err)
	}
	if err := s.describe(ctx, r, &l); err != nil {
		return Issued{}, s.refused(ctx, r, err)
	}
	var out Issued
	err = db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) (err error) {
		out, err = s.write(ctx, tx, r, &l)
		return err
	})
	if err != nil {
		return Issued{}, s.refused(ctx, r, err)
	}
	s.d.Wake()
	s.d.Log.InfoContext(ctx, fmt.Sprintf("Successful login: %s got token %s from %s using agent %q",
		l.subject.Login, Masked(out.Secret), r.RemoteAddr, r.UserAgent), "session_uuid", out.Session)
	return out, nil
}

// refused writes the line and the trail of a login that was refused, and passes the error on. One that the throttle refused
// is counted only.
func (s *Service) refused(ctx context.Context, r *Request, err error) error {
	if errors.Is(err, fault.Unauthenticated) {
		s.d.Log.InfoContext(ctx, fmt.Sprintf("Failed login: unknown username or password for login %s from %s using agent %q",
			r.Login, r.RemoteAddr, r.UserAgent))
		if err := s.refusals.Add(ctx, r.Login, r.with()); err != nil {
			s.d.Log.WarnContext(ctx, "a refused login is not in the trail", "error", err)
		}
	}
	return err
}

// verify finds out who the login is. Attempts with a password are throttled; a refresh token cannot be guessed.
func (s *Service) verify(ctx context.Context, r *Request) (login, error) {
	if r.RefreshToken != nil {
		return s.verifyRefreshToken(ctx, r)
	}
	if s.d.Throttle != nil && r.Login != "" {
		done, err := s.d.Throttle.Begin(ctx, r.Login, r.Source)
		if err != nil {
			return login{}, err
		}
		l, err := s.verifyPassword(ctx, r)
		done(!errors.Is(err, fault.Unauthenticated) || errors.Is(err, backends.ErrUndecided))
		return l, err
	}
	return s.verifyPassword(ctx, r)
}

// verifyPassword asks the source that the request is for.
func (s *Service) verifyPassword(ctx context.Context, r *Request) (login, error) {
	p := s.d.Sources.For(ctx, &r.Request)
	if p == nil {
		return login{}, fault.AuthenticationFailed()
	}
	accepted, err := p.Verify(ctx, &r.Request)
	if err != nil {
		return login{}, refusal("verify login with method "+p.Method(), err)
	}
	l := login{accepted: accepted, method: p.Method(), subject: backends.Subject{Login: accepted.Login, User: accepted.User}}
	if l.subject.User == nil {
		if l.subject.User, err = s.userByLogin(ctx, accepted.Login); err != nil {
			return login{}, err
		}
	}
	switch u := l.subject.User; {
	case accepted.Foreign && u == nil:
	case u == nil, u.Method != l.method:
		return login{}, fault.AuthenticationFailed()
	}
	return l, nil
}

// refusal turns what a source returned into an answer: a rejected login is told apart from one that could not be judged.
func refusal(what string, err error) error {
	if errors.Is(err, backends.ErrRejected) {
		return fault.AuthenticationFailed().Because(err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// userByLogin is nil when no enabled user has the login.
func (s *Service) userByLogin(ctx context.Context, name string) (*backends.User, error) {
	var row db.UserByLoginRow
	err := db.Retry(ctx, func() (err error) {
		row, err = s.q.UserByLogin(ctx, s.d.Pool, db.LoginKey(name))
		return err
	})
	if noRows(err) {
		return nil, nil //nolint:nilnil // nobody is an answer here
	}
	if err != nil {
		return nil, fmt.Errorf("find user by login: %w", err)
	}
	return &backends.User{UUID: row.UUID, TenantUUID: row.TenantUUID, Purpose: row.Purpose, Method: row.Method}, nil
}

// verifyRefreshToken finds the user of a refresh token by its uuid, whatever the user's login is now.
func (s *Service) verifyRefreshToken(ctx context.Context, r *Request) (login, error) {
	h, client := Hash(*r.RefreshToken), Hash(r.ClientID)
	var found db.RefreshTokenFindRow
	err := db.Retry(ctx, func() (err error) {
		found, err = s.q.RefreshTokenFind(ctx, s.d.Pool, db.RefreshTokenFindParams{TokenHash: h[:], ClientKey: client[:]})
		return err
	})
	if noRows(err) {
		return login{}, fault.AuthenticationFailed()
	}
	if err != nil {
		return login{}, fmt.Errorf("find refresh token: %w", err)
	}
	var u db.UserByUUIDRow
	err = db.Retry(ctx, func() (err error) {
		u, err = s.q.UserByUUID(ctx, s.d.Pool, found.UserUUID)
		return err
	})
	if noRows(err) || err == nil && !u.Enabled {
		return login{}, fault.AuthenticationFailed()
	}
	if err != nil {
		return login{}, fmt.Errorf("find user of refresh token: %w", err)
	}
	p, err := s.d.Sources.ByMethod(u.Method)
	if err != nil {
		return login{}, fault.AuthenticationFailed().Because(err)
	}
	b, err := p.BackendFor(ctx, found.Login)
	if err != nil {
		return login{}, refusal("find backend of method "+u.Method, err)
	}
	return login{
		accepted: backends.Accepted{Login: found.Login, Backend: b}, method: u.Method, refresh: &found,
		subject: backends.Subject{Login: found.Login, User: &backends.User{UUID: u.UUID, TenantUUID: u.TenantUUID, Purpose: u.Purpose, Method: u.Method}},
	}, nil
}

// describe asks the backend what the token will say.
func (s *Service) describe(ctx context.Context, r *Request, l *login) (err error) {
	b := l.accepted.Backend
	if l.accesses, err = b.AccessList(ctx, l.subject, &r.Request); err != nil {
		return refusal("backend "+b.Name(), err)
	}
	if len(l.accesses) > maxAccesses {
		return fmt.Errorf("backend %s: an access list of %d entries, more than %d", b.Name(), len(l.accesses), maxAccesses)
	}
	fresh, err := b.Metadata(ctx, l.subject)
	if err != nil {
		return refusal("backend "+b.Name(), err)
	}
	switch {
	case r.Offline:
		if l.persistent, err = b.PersistentMetadata(ctx, l.subject); err != nil {
			return refusal("backend "+b.Name(), err)
		}
	case l.refresh != nil:
		if err := json.Unmarshal(l.refresh.Metadata, &l.persistent); err != nil {
			return fmt.Errorf("read metadata of refresh token %s: %w", l.refresh.UUID, err)
		}
	}
	l.metadata = make(map[string]any, len(fresh)+len(l.persistent))
	for _, m := range []map[string]any{l.persistent, fresh} {
		for k, v := range m {
			l.metadata[k] = v
		}
	}
	authID, _ := l.metadata["auth_id"].(string)
	if authID == "" {
		return fmt.Errorf("backend %s: its metadata have no auth_id", b.Name())
	}
	if authID == InternalAuthID { // it would pass for a token of the service itself
		return fault.AuthenticationFailed().Because(errors.New("a source returned the auth id of internal tokens"))
	}
	return nil
}

// write is the one transaction of a login. Locks: user, refresh token, tokens, in this order everywhere.
func (s *Service) write(ctx context.Context, tx pgx.Tx, r *Request, l *login) (Issued, error) {
	t := draft{kind: KindUser, lifetime: r.Lifetime, mobile: r.Mobile, backend: l.accepted.Backend.Name(), remoteAddr: r.RemoteAddr,
		userAgent: r.UserAgent, metadata: l.metadata, accesses: l.accesses, details: r.with()}
	t.authID, _ = l.metadata["auth_id"].(string)
	var kept refreshToken
	if u := l.subject.User; u != nil {
		locked, err := s.lock(ctx, tx, l)
		if err != nil {
			return Issued{}, err
		}
		if err := s.checkLimit(ctx, tx, u.UUID, locked.Purpose); err != nil {
			return Issued{}, err
		}
		t.user, t.tenant = &u.UUID, locked.TenantUUID
		if r.ClientID != "" {
			t.details["client_id"] = r.ClientID
		}
		if l.refresh != nil {
			t.refresh = &l.refresh.UUID
		}
		if r.Offline {
			if kept, err = s.keepRefreshToken(ctx, tx, r, l, locked.TenantUUID); err != nil {
				return Issued{}, err
			}
			t.refresh = &kept.uuid
		}
	} else {
		if r.Offline {
			return Issued{}, fmt.Errorf("offline login of somebody without a user: %w", errors.ErrUnsupported)
		}
		var err error
		if t.tenant, err = s.foreignTenant(ctx, tx, l.metadata); err != nil {
			return Issued{}, err
		}
	}
	out, err := s.insert(ctx, tx, t)
	if err != nil {
		return Issued{}, err
	}
	if id := l.accepted.SAMLLogin; id != nil {
		if err := s.redeem(ctx, tx, *id, t.refresh, out.Session); err != nil {
			return Issued{}, err
		}
	}
	out.RefreshToken, out.Revoked = kept.secret, kept.revoked
	return out, s.d.Events.Add(ctx, tx, append(kept.told, events.SessionCreated{UUID: out.Session, Tenant: t.tenant, AuthID: t.authID, Mobile: t.mobile})...)
}

// lock takes the user's row and refuses if it, or the refresh token, is not what was verified any more.
func (s *Service) lock(ctx context.Context, tx pgx.Tx, l *login) (db.UserLockRow, error) {
	u := l.subject.User
	now, err := s.q.UserLock(ctx, tx, u.UUID)
	if noRows(err) {
		return now, fault.AuthenticationFailed().Because(err)
	}
	if err != nil {
		return now, fmt.Errorf("lock user: %w", err)
	}
	samePassword := u.PasswordHash == nil || now.PasswordHash != nil && *now.PasswordHash == *u.PasswordHash
	if !now.Enabled || now.Method != l.method || !samePassword {
		return now, fault.AuthenticationFailed().Because(errors.New("the user changed during the login"))
	}
	if l.refresh != nil {
		if _, err := s.q.RefreshTokenStillThere(ctx, tx, l.refresh.UUID); noRows(err) {
			return now, fault.AuthenticationFailed().Because(err)
		} else if err != nil {
			return now, fmt.Errorf("lock refresh token: %w", err)
		}
	}
	return now, nil
}

// checkLimit counts under the lock on the user, so parallel logins cannot exceed the limit together.
func (s *Service) checkLimit(ctx context.Context, tx pgx.Tx, user uuid.UUID, purpose string) error {
	if purpose == "internal" {
		return nil
	}
	n, err := s.q.TokenCountLiveByUser(ctx, tx, user)
	if err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	if n >= int64(s.d.MaxSessions) {
		return fault.Historic(fault.Exhausted, "User "+user.String()+" has exceeded the maximum number of active sessions")
	}
	return nil
}

// foreignTenant is the tenant that a source names for somebody it alone knows, or the top tenant.
func (s *Service) foreignTenant(ctx context.Context, tx pgx.Tx, metadata map[string]any) (uuid.UUID, error) {
	if text, ok := metadata["tenant_uuid"].(string); ok {
		id, err := uuid.Parse(text)
		if err != nil {
			return id, fmt.Errorf("a source named a tenant that is no uuid: %w", err)
		}
		return id, nil
	}
	top, err := s.q.TenantTop(ctx, tx)
	if err != nil {
		return top, fmt.Errorf("find the top tenant: %w", err)
	}
	return top, nil
}

// draft is a token about to be written.
type draft struct {
	kind                           string
	lifetime                       time.Duration
	user, refresh                  *uuid.UUID
	tenant                         uuid.UUID
	authID                         string
	mobile                         bool
	backend, remoteAddr, userAgent string
	metadata                       map[string]any
	accesses                       []string
	details                        map[string]any // for the trail, of a login
}

func (s *Service) insert(ctx context.Context, tx pgx.Tx, t draft) (Issued, error) {
	if t.lifetime == 0 {
		t.lifetime = s.d.DefaultLifetime
	}
	metadata, err := json.Marshal(t.metadata)
	if err != nil {
		return Issued{}, fmt.Errorf("encode metadata: %w", err)
	}
	details, err := json.Marshal(t.details)
	if err != nil {
		return Issued{}, fmt.Errorf("encode details of the trail: %w", err)
	}
	var noticeAfter time.Duration // the issue, 0 for never
	if t.kind == KindUser && s.d.Notice > 0 && t.lifetime > s.d.Notice {
		noticeAfter = t.lifetime - s.d.Notice
	}
	secret := newSecret()
	hash, entries := Hash(secret), acl.Canonical(t.accesses)
	list := acl.ID(entries)
	session := uuid.New()
	at, err := s.q.TokenIssue(ctx, tx, db.TokenIssueParams{
		SessionUUID: session, TokenHash: hash[:], Kind: t.kind, UserUUID: t.user, AuthID: t.authID, TenantUUID: t.tenant,
		RefreshTokenUUID: t.refresh, AccessList: list[:], Entries: entries, Metadata: metadata, Mobile: t.mobile,
		Backend: t.backend, RemoteAddr: t.remoteAddr, UserAgent: t.userAgent, LifetimeSeconds: int64(t.lifetime / time.Second),
		NoticeAfterSeconds: noticeAfter.Seconds(),
		RequestID:          trail.From(ctx).RequestID, Details: details, Traceparent: tracing.Traceparent(ctx),
	})
	if err != nil {
		return Issued{}, fmt.Errorf("write token: %w", err)
	}
	// The answer shows metadata as a later GET will read them.
	var shown map[string]any
	if err := json.Unmarshal(metadata, &shown); err != nil {
		return Issued{}, fmt.Errorf("read metadata: %w", err)
	}
	return Issued{Secret: secret, Token: Token{Session: session, Kind: t.kind, AuthID: t.authID, Metadata: shown, AccessList: entries,
		RemoteAddr: t.remoteAddr, UserAgent: t.userAgent, IssuedAt: at.IssuedAt, ExpiresAt: at.ExpiresAt}}, nil
}

// Internal describes a token that the service makes for itself (tokens.md section 17).
type Internal struct {
	// Kind is KindService, KindMailConfirm or KindMailReset.
	Kind                  string
	Accesses              []string
	Lifetime              time.Duration
	RemoteAddr, UserAgent string
	// Subject is the user whose mail it goes into; it ends with the user.
	Subject *uuid.UUID
}

// serviceLifetime is how long a token lives that the service, or a plug-in on its behalf, calls services with.
const serviceLifetime = time.Hour

// IssueService makes a token with which the service itself calls services (tokens.md section 17).
func (s *Service) IssueService(ctx context.Context, accesses []string) (Issued, error) {
	var made Issued
	err := db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) (err error) {
		made, err = s.IssueInternal(ctx, tx, Internal{Kind: KindService, Accesses: accesses, Lifetime: serviceLifetime,
			RemoteAddr: "127.0.0.1", UserAgent: "wazo-auth-internal"})
		return err
	})
	if err != nil {
		return Issued{}, fmt.Errorf("issue a service token: %w", err)
	}
	s.d.Wake()
	return made, nil
}

// IssueInternal makes a token of the service's own inside the caller's transaction: in the top tenant, of nobody, in
// nobody's quota, but with a lifetime like every other. The caller calls Wake after its commit.
func (s *Service) IssueInternal(ctx context.Context, tx pgx.Tx, in Internal) (Issued, error) {
	if in.Kind == KindUser {
		return Issued{}, errors.New("an internal token cannot be of kind user")
	}
	top, err := s.q.TenantTop(ctx, tx)
	if err != nil {
		return Issued{}, fmt.Errorf("find the top tenant: %w", err)
	}
	metadata := map[string]any{}
	if in.Kind == KindService {
		metadata["tenant_uuid"] = top
	}
	made, err := s.insert(ctx, tx, draft{kind: in.Kind, lifetime: in.Lifetime, tenant: top, authID: InternalAuthID, backend: "internal",
		remoteAddr: in.RemoteAddr, userAgent: in.UserAgent, metadata: metadata, accesses: in.Accesses})
	if err != nil {
		return Issued{}, err
	}
	return made, s.mark(ctx, tx, made.Session, in.Subject)
}

func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
