package stack

import (
	"context"
	"crypto/md5" //nolint:gosec // spreads numbers over secrets of a benchmark
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/acl"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/password"
)

// Cluster is a PostgreSQL server, reached as a superuser; PID is its first process.
type Cluster struct {
	URL string
	PID int
}

// Database is one of its databases, with the product's schema.
type Database struct {
	Name, URI string
	Pool      *pgxpool.Pool
	cluster   Cluster
}

// URI is that of a database of the cluster.
func (c Cluster) URI(name string) (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", fmt.Errorf("stack: the URL of the database server: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// Create makes a database of the newest schema.
func (c Cluster) Create(ctx context.Context, name string) (Database, error) {
	uri, err := c.URI(name)
	if err != nil {
		return Database{}, err
	}
	if err := c.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return Database{}, err
	}
	if _, err := db.Migrate(ctx, uri); err != nil {
		return Database{}, err
	}
	pool, err := pgxpool.New(ctx, uri)
	if err != nil {
		return Database{}, fmt.Errorf("stack: %w", err)
	}
	return Database{Name: name, URI: uri, Pool: pool, cluster: c}, nil
}

// Drop removes the database, whoever is still connected.
func (d Database) Drop(ctx context.Context) error {
	d.Pool.Close()
	return d.cluster.exec(context.WithoutCancel(ctx), "DROP DATABASE "+pgx.Identifier{d.Name}.Sanitize()+" WITH (FORCE)")
}

func (c Cluster) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing more to say to it
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("stack: %s: %w", strings.Fields(statement)[0], err)
	}
	return nil
}

// Version is that of the server.
func (c Cluster) Version(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return "", fmt.Errorf("stack: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing more to say to it
	var v string
	err = conn.QueryRow(ctx, "SHOW server_version").Scan(&v)
	return v, err
}

// Size is what databases whose name begins with a prefix take on the disk, in bytes, after a checkpoint.
func (c Cluster) Size(ctx context.Context, prefix string) (int64, error) {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return 0, fmt.Errorf("stack: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing more to say to it
	if _, err := conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return 0, fmt.Errorf("stack: checkpoint: %w", err)
	}
	var n int64
	err = conn.QueryRow(ctx, "SELECT coalesce(sum(pg_database_size(datname)), 0)::bigint FROM pg_database WHERE starts_with(datname, $1)", prefix).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("stack: size: %w", err)
	}
	return n, nil
}

// Compact gives back what deleted rows left behind in databases whose name begins with a prefix, so that growth can be
// seen. It locks every table for a moment.
func (c Cluster) Compact(ctx context.Context, prefix string) error {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
	if err != nil {
		return fmt.Errorf("stack: compact: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	_ = conn.Close(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("stack: compact: %w", err)
	}
	for _, name := range names {
		uri, err := c.URI(name)
		if err != nil {
			return err
		}
		if err := (Cluster{URL: uri}).exec(ctx, "VACUUM (FULL, ANALYZE)"); err != nil {
			return err
		}
	}
	return nil
}

// Scope is an access that every list of SeedAccess grants.
const Scope = "confd.users.read"

// seedLists is how many distinct access lists the tokens share.
const seedLists = 16

func entries(list int) []string {
	e := []string{Scope, "confd.users.me.#", "confd.*.lines"}
	for i := range 40 {
		e = append(e, fmt.Sprintf("service%d.things.%d.read", list, i))
	}
	return acl.Canonical(e)
}

// Secret is the n-th seeded token.
func Secret(n int) string {
	sum := md5.Sum(fmt.Appendf(nil, "token %d", n)) //nolint:gosec // no secret
	return uuid.UUID(sum).String()
}

// Tokens says which rows SeedTokens makes.
type Tokens struct {
	// First is the number of the first, Count how many there are.
	First, Count int
	// Expiry is when the first expires, Spread how much later than its predecessor each of the others does.
	Expiry time.Time
	Spread time.Duration
	// Due owes each its lifetime.
	Due bool
}

// session is the uuid of the n-th seeded token's session in SQL: another one in each database, as their workflows share a
// namespace.
const session = "md5(current_database() || ' session ' || i)::uuid"

// Session is the session of the n-th seeded token.
func (d Database) Session(n int) uuid.UUID {
	return md5.Sum(fmt.Appendf(nil, "%s session %d", d.Name, n)) //nolint:gosec // no secret
}

// SeedAccess makes the access lists that seeded tokens name.
func (d Database) SeedAccess(ctx context.Context) error {
	for i := range seedLists {
		e := entries(i)
		id := acl.ID(e)
		if _, err := d.Pool.Exec(ctx, "INSERT INTO access_lists (id, entries) VALUES ($1, $2) ON CONFLICT DO NOTHING", id[:], e); err != nil {
			return fmt.Errorf("stack: seed access lists: %w", err)
		}
	}
	return nil
}

// SeedTokens makes live tokens with what they owe, in one transaction, and wakes the relay after its commit. It gives the
// moment of the commit.
func (d Database) SeedTokens(ctx context.Context, t Tokens) (time.Time, error) {
	if err := d.SeedAccess(ctx); err != nil {
		return time.Time{}, err
	}
	due := ""
	if t.Due {
		due = "INSERT INTO lifetime_due (session_uuid, wanted) SELECT " + session + ", 'run' FROM generate_series($1::bigint, $2) AS i"
	}
	const chunk = 100_000
	err := pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		for from := t.First; from < t.First+t.Count; from += chunk {
			to := min(from+chunk, t.First+t.Count) - 1
			if _, err := tx.Exec(ctx, `
				WITH lists AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS of FROM access_lists)
				INSERT INTO tokens (session_uuid, token_hash, kind, auth_id, tenant_uuid, access_list, metadata, backend, remote_addr,
					user_agent, issued_at, expires_at)
				SELECT `+session+`, sha256(convert_to(md5('token ' || i)::uuid::text, 'UTF8')), 'user', md5('user ' || i % 1000)::uuid,
					(SELECT uuid FROM tenants WHERE uuid = parent_uuid), l.id,
					jsonb_build_object('uuid', md5('user ' || i % 1000)::uuid, 'auth_id', md5('user ' || i % 1000)::uuid, 'pbx_user_uuid', md5('user ' || i % 1000)::uuid,
						'tenant_uuid', md5('tenant')::uuid, 'xivo_uuid', md5('xivo')::uuid),
					'wazo_user', '192.0.2.' || i % 250, 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', statement_timestamp() - interval '1 minute',
					$3::timestamptz + (i - $4) * make_interval(secs => $5)
				FROM generate_series($1::bigint, $2) AS i JOIN lists l ON l.n = i % l.of`, from, to, t.Expiry, t.First, t.Spread.Seconds()); err != nil {
				return err
			}
			if t.Due {
				if _, err := tx.Exec(ctx, due, from, to); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("stack: seed tokens: %w", err)
	}
	committed := time.Now()
	after := []string{"NOTIFY lifetime_due"}
	if !t.Due { // what follows measures reading: nothing of the writing is to be left for that time
		after = []string{"VACUUM (ANALYZE) tokens", "CHECKPOINT"}
	}
	for _, statement := range after {
		if _, err = d.Pool.Exec(ctx, statement); err != nil {
			break
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("stack: seed tokens: %w", err)
	}
	return committed, nil
}

// Password is that of every seeded user, ClientID the one that their refresh tokens are for.
const (
	Password = "correct horse battery staple"
	ClientID = "benchmark"
)

// Username is the n-th seeded user, RefreshToken theirs.
func Username(n int) string { return fmt.Sprintf("user%d", n) }

// RefreshToken is the one of the n-th seeded user.
func RefreshToken(n int) string {
	return uuid.UUID(digest(fmt.Sprintf("refresh token %d", n))).String()
}

// digest is what PostgreSQL's md5 makes of a text.
func digest(text string) [md5.Size]byte { return md5.Sum([]byte(text)) } //nolint:gosec // names things of a benchmark

// SeedUsers makes users with a password of the given cost, a policy of some forty accesses and a refresh token.
func (d Database) SeedUsers(ctx context.Context, n int, cost password.Params) error {
	hash, err := password.New(cost, 1, 0).Hash(ctx, Password)
	if err != nil {
		return fmt.Errorf("stack: seed users: %w", err)
	}
	return pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		var tenant, policy uuid.UUID
		if err := tx.QueryRow(ctx, "SELECT uuid FROM tenants WHERE uuid = parent_uuid").Scan(&tenant); err != nil {
			return fmt.Errorf("stack: seed users: %w", err)
		}
		if err := tx.QueryRow(ctx, "INSERT INTO policies (tenant_uuid, name, slug, acl) VALUES ($1, 'bench', 'bench', $2) RETURNING uuid",
			tenant, entries(0)).Scan(&policy); err != nil {
			return fmt.Errorf("stack: seed users: %w", err)
		}
		b := &pgx.Batch{}
		for i := range n {
			id := uuid.New()
			b.Queue("INSERT INTO users (uuid, tenant_uuid, username, password_hash) VALUES ($1, $2, $3, $4)", id, tenant, Username(i), hash)
			b.Queue("INSERT INTO logins (key, user_uuid) VALUES ($1, $2)", db.LoginKey(Username(i)), id)
			b.Queue("INSERT INTO user_policies (user_uuid, policy_uuid) VALUES ($1, $2)", id, policy)
			// Nobody asks for the same refresh token again, so what is sealed may be anything.
			b.Queue(`INSERT INTO refresh_tokens (user_uuid, client_id, client_key, token_hash, sealed, key_id, login, backend, user_agent, remote_addr, mobile, created_at)
				VALUES ($1, $2, sha256(convert_to($2, 'UTF8')), sha256(convert_to($3, 'UTF8')), 'sealed', 'none', $4, 'wazo_user', '', '', false, now())`,
				id, ClientID, RefreshToken(i), Username(i))
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("stack: seed users: %w", err)
		}
		return nil
	})
}

// Owed is how many lifetimes the relay still has to see to.
func (d Database) Owed(ctx context.Context) (n int, err error) {
	if err := d.Pool.QueryRow(ctx, "SELECT count(*) FROM lifetime_due").Scan(&n); err != nil {
		return 0, fmt.Errorf("stack: count what is owed: %w", err)
	}
	return n, nil
}

// AwaitSettled waits until nothing is owed and gives the moment; more than limit is an error.
func (d Database) AwaitSettled(ctx context.Context, limit time.Duration) (time.Time, error) {
	var at time.Time
	err := Until(ctx, 10*time.Millisecond, limit, func(ctx context.Context) (bool, error) {
		n, err := d.Owed(ctx)
		at = time.Now()
		return n == 0, err
	})
	return at, err
}

// Until asks at an interval until the answer is yes; more than limit is an error.
func Until(ctx context.Context, every, limit time.Duration, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if ok || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stack: waited for %s: %w", limit, ctx.Err())
		case <-tick.C:
		}
	}
}
