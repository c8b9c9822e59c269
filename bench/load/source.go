package load

import (
	"context"
	"net/http"
)

// Source logs in with a password at the backend of a name and gives the new session.
func (l *Logins) Source(ctx context.Context, backend, username, password string) (session string, err error) {
	return l.post(ctx, map[string]any{"expiration": 3600, "backend": backend}, func(r *http.Request) { r.SetBasicAuth(username, password) })
}
