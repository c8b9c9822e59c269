package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/xivo-auth/xivo-auth/client"
)

// A service lets through what a token is good for, and says 503 when it cannot be told.
func Example_middleware() {
	auth, err := client.New("http://127.0.0.1:9497")
	if err != nil {
		panic(err)
	}
	protect := func(scope string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ok, err := auth.Tokens.Check(r.Context(), r.Header.Get("X-Auth-Token"), client.CheckOptions{Scope: scope, Tenant: r.Header.Get("Wazo-Tenant")})
			switch {
			case err != nil:
				http.Error(w, "authentication server unreachable", http.StatusServiceUnavailable)
			case !ok:
				http.Error(w, "unauthorized", http.StatusUnauthorized)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
	http.Handle("/calls", protect("calld.calls.read", http.NotFoundHandler()))
}

// A program logs in, works in a tenant and logs out.
func ExampleClient() {
	ctx := context.Background()
	anonymous, err := client.New("http://127.0.0.1:9497", client.WithUserAgent("provisioning"))
	if err != nil {
		panic(err)
	}
	token, err := anonymous.Tokens.New(ctx, client.Credentials{Username: "root", Password: "secret", Expiration: 600})
	if err != nil {
		panic(err)
	}
	auth := anonymous.With(token.Token)
	defer func() { _ = auth.Tokens.Revoke(ctx, token.Token) }()

	name := "Québec"
	tenant, err := auth.Tenants.Create(ctx, client.Tenant{Name: &name})
	if err != nil {
		panic(err)
	}
	username := "alice"
	_, err = auth.In(tenant.UUID).Users.Create(ctx, client.NewUser{User: client.User{Username: &username, Enabled: true}, Password: "s3cret"})
	var refused *client.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusConflict {
		fmt.Println("there is an alice already:", refused.Message)
	}
}
