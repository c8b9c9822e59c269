// Package baseline serves what the API is compared with: the least that a check could cost. Both servers answer HEAD
// /0.1/token/{id} with 204 and the API's headers, in a process of their own.
package baseline

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/acl"
	"github.com/xivo-auth/xivo-auth/token"
)

// gogc is the API's default, which gains a fifth: the baselines get it too.
const gogc = 400

// Bare is gin with a handler that does nothing.
func Bare(ctx context.Context, address string, headers http.Header) error {
	return serve(ctx, address, headers, func(*gin.Context) (int, error) { return http.StatusNoContent, nil })
}

// OneQuery asks the database once for each request, with a statement prepared by pgx, and then matches the access list,
// which is compiled once. connections is the size of its pool.
func OneQuery(ctx context.Context, address string, headers http.Header, uri string, connections int32) error {
	conf, err := pgxpool.ParseConfig(uri)
	if err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	conf.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	defer pool.Close()
	lists, err := compiled(ctx, pool)
	if err != nil {
		return err
	}
	const query = "SELECT session_uuid::text, auth_id, access_list FROM tokens WHERE token_hash = $1 AND expires_at > now()"
	return serve(ctx, address, headers, func(c *gin.Context) (int, error) {
		hash := token.Hash(c.Param("token"))
		var session, authID string
		var list []byte
		if err := pool.QueryRow(c.Request.Context(), query, hash[:]).Scan(&session, &authID, &list); err != nil {
			return 0, err
		}
		if l := lists[[32]byte(list)]; l == nil || !l.Allows(c.Query("scope"), authID, session) {
			return http.StatusUnauthorized, nil
		}
		return http.StatusNoContent, nil
	})
}

func compiled(ctx context.Context, pool *pgxpool.Pool) (map[[32]byte]*acl.List, error) {
	rows, err := pool.Query(ctx, "SELECT id, entries FROM access_lists")
	if err != nil {
		return nil, fmt.Errorf("baseline: read access lists: %w", err)
	}
	defer rows.Close()
	lists := map[[32]byte]*acl.List{}
	for rows.Next() {
		var id []byte
		var entries []string
		if err := rows.Scan(&id, &entries); err != nil {
			return nil, fmt.Errorf("baseline: read access lists: %w", err)
		}
		lists[[32]byte(id)] = acl.Compile(entries)
	}
	return lists, rows.Err()
}

func serve(ctx context.Context, address string, headers http.Header, check func(*gin.Context) (int, error)) error {
	debug.SetGCPercent(gogc)
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HEAD("/0.1/token/:token", func(c *gin.Context) {
		h := c.Writer.Header()
		for name, values := range headers {
			h[name] = values
		}
		status, err := check(c)
		if err != nil {
			status = http.StatusInternalServerError
		}
		c.Status(status)
		c.Writer.WriteHeaderNow()
	})
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	srv := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("baseline: %w", err)
	case <-ctx.Done():
		return srv.Close()
	}
}
