package load

import (
	"context"
	"net/http"
)

// Directory logs in with a password that the directory of a domain's tenant verifies, and gives the new session.
func (l *Logins) Directory(ctx context.Context, domain, login, password string) (session string, err error) {
	return l.post(ctx, map[string]any{"expiration": 3600, "domain_name": domain}, func(r *http.Request) { r.SetBasicAuth(login, password) })
}
