package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/client"
)

func tokens() *cobra.Command {
	r := &remote{}
	refresh := &cobra.Command{Use: "refresh", Short: "Work with refresh tokens"}
	refresh.AddCommand(refreshList(r), refreshDelete(r))
	return r.command("token", "Work with tokens", tokenCreate(r),
		&cobra.Command{Use: "show TOKEN", Short: "Print a token", Args: cobra.ExactArgs(1),
			RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
				t, err := auth.Tokens.Get(ctx, args[0])
				if err != nil {
					return err
				}
				return printJSON(os.Stdout, t)
			})},
		&cobra.Command{Use: "revoke TOKEN", Short: "End a token", Args: cobra.ExactArgs(1),
			RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
				return auth.Tokens.Revoke(ctx, args[0])
			})},
		refresh)
}

var accessTypes = []string{"online", "offline"}

// tokenCreate logs in as the configured user and prints the token, which lives on.
func tokenCreate(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "create", Short: "Log in and print the token", Args: cobra.NoArgs}
	var k client.Credentials
	var accessType string
	f := c.Flags()
	f.IntVar(&k.Expiration, "expiration", 3600, "lifetime in seconds")
	f.StringVar(&k.RefreshToken, "refresh_token", "", "buy the token with this refresh token")
	f.StringVar(&accessType, "access_type", "", "offline asks for a refresh token")
	f.StringVar(&k.ClientID, "client_id", "", "the client that the refresh token belongs to")
	f.StringVar(&k.Tenant, "tenant_id", "", "tenant of an LDAP user, by uuid or slug")
	f.BoolVar(&k.Mobile, "mobile", false, "a mobile session")
	complete(c, "access_type", accessTypes...)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if accessType != "" && !slices.Contains(accessTypes, accessType) {
			return errors.New("--access_type: must be one of " + strings.Join(accessTypes, ", "))
		}
		if k.Expiration < 1 {
			return errors.New("--expiration: must be at least 1")
		}
		auth, err := r.anonymous()
		if err != nil {
			return err
		}
		k.Username, k.Password, k.Backend, k.Offline = r.username, r.password, r.backend, accessType == "offline"
		t, err := auth.Tokens.New(c.Context(), k)
		if err != nil {
			return err
		}
		fmt.Println(t.Token)
		if t.RefreshToken != "" {
			fmt.Println(t.RefreshToken)
		}
		return nil
	}
	return c
}

func refreshList(r *remote) *cobra.Command {
	return &cobra.Command{Use: "list USER", Short: `List a user's refresh tokens; "me" is the user of the token in use`, Args: cobra.ExactArgs(1),
		RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
			id, err := meOrUser(ctx, auth, args[0])
			if err != nil {
				return err
			}
			p, err := auth.RefreshTokens.ListOf(ctx, id, client.ListOptions{})
			if err != nil {
				return err
			}
			return printJSON(os.Stdout, p)
		})}
}

func refreshDelete(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "delete", Short: "Take a refresh token away", Args: cobra.NoArgs}
	user := c.Flags().String("user_uuid", "me", `whose it is; "me" is the user of the token in use`)
	clientID := c.Flags().String("client_id", "", "the client that it belongs to")
	_ = c.MarkFlagRequired("client_id")
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, _ []string) error {
		id, err := meOrUser(ctx, auth, *user)
		if err != nil {
			return err
		}
		return auth.RefreshTokens.Delete(ctx, id, *clientID)
	})
	return c
}

func meOrUser(ctx context.Context, auth *client.Client, name string) (string, error) {
	if name == "me" {
		return name, nil
	}
	return userID(ctx, auth, name)
}
