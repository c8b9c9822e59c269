package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// addUser makes a user by SQL, who has the password of the first one and these accesses.
func (s *stack) addUser(t *testing.T, purpose string, accesses ...string) (username string, id uuid.UUID) {
	t.Helper()
	username = "user-" + random(6)
	key := sha256.Sum256([]byte(strings.ToLower(username)))
	if accesses == nil {
		accesses = []string{}
	}
	err := s.db.QueryRow(t.Context(), `
		WITH u AS (
			INSERT INTO users (tenant_uuid, username, password_hash, purpose)
			SELECT tenant_uuid, $1, password_hash, $2 FROM users WHERE username = $5
			RETURNING uuid, tenant_uuid
		), l AS (
			INSERT INTO logins (key, user_uuid) SELECT $3, uuid FROM u
		), p AS (
			INSERT INTO policies (tenant_uuid, name, slug, acl) SELECT tenant_uuid, $1, $1, $4 FROM u
			RETURNING uuid
		), up AS (
			INSERT INTO user_policies (user_uuid, policy_uuid) SELECT u.uuid, p.uuid FROM u, p
		)
		SELECT uuid FROM u`, username, purpose, key[:], accesses, s.root).Scan(&id)
	require.NoError(t, err)
	return username, id
}

// count runs a query that gives one number.
func (s *stack) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	n, err := s.number(query, args...)
	require.NoError(t, err)
	return n
}

func (s *stack) number(query string, args ...any) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = s.db.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// awaitCount waits until a query gives a number.
func (s *stack) awaitCount(t *testing.T, within time.Duration, want int, query string, args ...any) {
	t.Helper()
	await(t, within, query, func() error {
		n, err := s.number(query, args...)
		if err == nil && n != want {
			err = fmt.Errorf("it is %d, not %d", n, want)
		}
		return err
	})
}

const (
	backlog  = "SELECT count(*) FROM lifetime_due"
	rowOf    = "SELECT count(*) FROM tokens WHERE session_uuid = $1"
	dueOf    = "SELECT count(*) FROM lifetime_due WHERE session_uuid = $1"
	notEnded = "SELECT count(*) FROM tokens WHERE expires_at < now()"
)

// countDeletions has the database count from now on how often each token is deleted.
func (s *stack) countDeletions(t *testing.T) {
	t.Helper()
	_, err := s.db.Exec(t.Context(), `
		CREATE TABLE deletions (session_uuid uuid NOT NULL);
		CREATE FUNCTION note_deletion() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN INSERT INTO deletions VALUES (OLD.session_uuid); RETURN OLD; END';
		CREATE TRIGGER note_deletion AFTER DELETE ON tokens FOR EACH ROW EXECUTE FUNCTION note_deletion()`)
	require.NoError(t, err)
}

func (s *stack) deletions(t *testing.T, session uuid.UUID) int {
	t.Helper()
	return s.count(t, "SELECT count(*) FROM deletions WHERE session_uuid = $1", session)
}
