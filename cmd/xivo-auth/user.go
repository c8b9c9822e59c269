package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/client"
	"github.com/xivo-auth/xivo-auth/identity"
)

func user() *cobra.Command {
	r := &remote{}
	return r.command("user", "Work with users", userCreate(r), userUpdate(r), userDelete(r), userShow(r), userList(r),
		userLink(r, "add", "Give a user a policy, or make the user a member of a group"),
		userLink(r, "remove", "Take a policy from a user, end a membership or a session"), userPassword(r))
}

var purposes = []string{identity.PurposeUser, identity.PurposeInternal, identity.PurposeExternalAPI}

func userCreate(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "create NAME", Short: "Make a user and print the uuid", Args: cobra.ExactArgs(1),
		Long: "Make a user and print the uuid. The password comes from --password, the variable WAZO_AUTH_CLI_USER_PASSWORD or a prompt."}
	var n client.NewUser
	var firstname, lastname, password string
	var disable bool
	f := c.Flags()
	f.StringVar(&password, "password", "", "password; options are visible to everybody on the host")
	f.StringVar(&n.UUID, "uuid", "", "uuid of the user")
	f.StringVar(&n.EmailAddress, "email", "", "address, confirmed")
	f.StringVar(&firstname, "firstname", "", "first name")
	f.StringVar(&lastname, "lastname", "", "last name")
	f.StringVar(&n.Purpose, "purpose", "", "user, internal or external_api")
	f.BoolVar(&disable, "disable", false, "the user cannot log in")
	enable := f.Bool("enable", true, "the user can log in")
	c.MarkFlagsMutuallyExclusive("enable", "disable")
	complete(c, "purpose", purposes...)
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) (err error) {
		if n.Password, err = newPassword(ctx, password); err != nil {
			return err
		}
		n.Username, n.Firstname, n.Lastname, n.Enabled = &args[0], pointer(firstname), pointer(lastname), *enable && !disable
		made, err := auth.Users.Create(ctx, n)
		if err != nil {
			return err
		}
		fmt.Println(made.UUID)
		return nil
	})
	return c
}

// newPassword is a password to set: an option, a variable, or what is typed.
func newPassword(ctx context.Context, option string) (string, error) {
	if pw := either(option, os.Getenv("WAZO_AUTH_CLI_USER_PASSWORD")); pw != "" {
		return pw, nil
	}
	_, pw, err := credentials(ctx, os.Stdin, os.Stderr, "-")
	if err != nil {
		return "", fmt.Errorf("the password of the user, from WAZO_AUTH_CLI_USER_PASSWORD, a terminal or a pipe: %w", err)
	}
	return pw, nil
}

func userUpdate(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "update USER", Short: "Enable or disable a user; disabling ends the user's sessions", Args: cobra.ExactArgs(1)}
	enable := c.Flags().Bool("enable", false, "the user can log in")
	disable := c.Flags().Bool("disable", false, "the user cannot log in")
	c.MarkFlagsMutuallyExclusive("enable", "disable")
	c.MarkFlagsOneRequired("enable", "disable")
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) error {
		id, err := userID(ctx, auth, args[0])
		if err != nil {
			return err
		}
		u, err := auth.Users.Get(ctx, id)
		if err != nil {
			return err
		}
		u.Enabled = *enable && !*disable
		_, err = auth.Users.Update(ctx, id, u)
		return err
	})
	return c
}

func userDelete(r *remote) *cobra.Command {
	return &cobra.Command{Use: "delete USER", Short: "Remove a user and end the user's sessions", Args: cobra.ExactArgs(1),
		RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
			id, err := userID(ctx, auth, args[0])
			if err != nil {
				return err
			}
			return auth.Users.Delete(ctx, id)
		})}
}

func userShow(r *remote) *cobra.Command {
	return &cobra.Command{Use: "show USER", Short: "Print a user with policies, groups and sessions", Args: cobra.ExactArgs(1),
		RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
			id, err := userID(ctx, auth, args[0])
			if err != nil {
				return err
			}
			u, err := auth.Users.Get(ctx, id)
			if err != nil {
				return err
			}
			policies, err := auth.Users.Policies(ctx, id, client.ListOptions{})
			if err != nil {
				return err
			}
			groups, err := auth.Users.Groups(ctx, id, client.ListOptions{})
			if err != nil {
				return err
			}
			sessions, err := auth.Sessions.ListOf(ctx, id, client.ListOptions{})
			if err != nil {
				return err
			}
			return printJSON(os.Stdout, struct {
				client.User
				Policies []client.Policy  `json:"policies"`
				Groups   []client.Group   `json:"groups"`
				Sessions []client.Session `json:"sessions"`
			}{u, policies.Items, groups.Items, sessions.Items})
		})}
}

func userList(r *remote) *cobra.Command {
	return lister(r, "users", []string{"uuid", "username", "firstname", "lastname", "emails", "enabled"},
		func(ctx context.Context, auth *client.Client, o client.ListOptions) (client.Page[client.User], error) {
			return auth.Users.List(ctx, o)
		})
}

// lister makes a list command of a resource.
func lister[T any](r *remote, what string, columns []string, list func(context.Context, *client.Client, client.ListOptions) (client.Page[T], error)) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List " + what, Args: cobra.NoArgs}
	var o client.ListOptions
	l := listing[T]{columns: columns}
	f := c.Flags()
	f.BoolVar(&o.Recurse, "recurse", false, "those of the tenants below, too")
	f.StringVar(&o.Search, "search", "", "only what contains this text")
	f.IntVar(&o.Limit, "limit", 0, "at most so many; 0 is all")
	f.IntVar(&o.Offset, "offset", 0, "leave out so many")
	l.flags(c)
	run := r.do(func(ctx context.Context, auth *client.Client, _ []string) error {
		p, err := list(ctx, auth, o)
		if err != nil {
			return err
		}
		return l.print(os.Stdout, p.Items)
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := l.valid(); err != nil {
			return err
		}
		if o.Limit < 0 || o.Offset < 0 {
			return errors.New("--limit, --offset: must not be negative")
		}
		return run(c, args)
	}
	return c
}

func userLink(r *remote, verb, short string) *cobra.Command {
	c := &cobra.Command{Use: verb + " USER", Short: short, Args: cobra.ExactArgs(1)}
	policy := c.Flags().String("policy", "", "the policy, by name or uuid")
	group := c.Flags().String("group", "", "the group, by name or uuid")
	session := new(string)
	if verb == "remove" {
		session = c.Flags().String("session", "", "the session, by uuid")
		c.MarkFlagsMutuallyExclusive("policy", "group", "session")
		c.MarkFlagsOneRequired("policy", "group", "session")
	} else {
		c.MarkFlagsMutuallyExclusive("policy", "group")
		c.MarkFlagsOneRequired("policy", "group")
	}
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) error {
		id, err := userID(ctx, auth, args[0])
		if err != nil {
			return err
		}
		switch {
		case *policy != "":
			p, err := policyID(ctx, auth, *policy)
			if err != nil {
				return err
			}
			if verb == "add" {
				return auth.Users.AddPolicy(ctx, id, p)
			}
			return auth.Users.RemovePolicy(ctx, id, p)
		case *group != "":
			g, err := groupID(ctx, auth, *group)
			if err != nil {
				return err
			}
			if verb == "add" {
				return auth.Groups.AddUser(ctx, g, id)
			}
			return auth.Groups.RemoveUser(ctx, g, id)
		}
		return auth.Sessions.DeleteOf(ctx, id, *session)
	})
	return c
}

func userPassword(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "password USER", Short: "Set a user's password and end the user's sessions", Args: cobra.ExactArgs(1),
		Long: "Set a user's password, from the variable WAZO_AUTH_CLI_USER_PASSWORD or a prompt, and end the user's sessions."}
	remove := c.Flags().Bool("remove", false, "take the password away: the user cannot log in with one any more")
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) error {
		id, err := userID(ctx, auth, args[0])
		if err != nil {
			return err
		}
		var pw *string
		if !*remove {
			text, err := newPassword(ctx, "")
			if err != nil {
				return err
			}
			pw = &text
		}
		if err := auth.Users.SetPassword(ctx, id, pw); err != nil {
			return err
		}
		fmt.Println("Done.")
		return nil
	})
	return c
}

func session() *cobra.Command {
	r := &remote{}
	return r.command("session", "Work with sessions",
		lister(r, "sessions", []string{"uuid", "tenant_uuid", "user_uuid", "mobile"},
			func(ctx context.Context, auth *client.Client, o client.ListOptions) (client.Page[client.Session], error) {
				return auth.Sessions.List(ctx, o)
			}),
		&cobra.Command{Use: "show UUID", Short: "Print a session", Args: cobra.ExactArgs(1),
			RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
				p, err := auth.Sessions.List(ctx, client.ListOptions{Recurse: true})
				if err != nil {
					return err
				}
				for _, s := range p.Items {
					if s.UUID == args[0] {
						return printJSON(os.Stdout, s)
					}
				}
				return fmt.Errorf("Unknown session %q", args[0]) //nolint:staticcheck // as for the other resources
			})},
		&cobra.Command{Use: "delete UUID", Short: "End a session and its token", Args: cobra.ExactArgs(1),
			RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
				return auth.Sessions.Delete(ctx, args[0])
			})},
		&cobra.Command{Use: "wipe USER", Short: "End all sessions of a user", Args: cobra.ExactArgs(1),
			RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
				return r.wipe(ctx, auth, args[0])
			})})
}

// wipe ends a user's sessions. That of the command itself is left to its end; that of --token comes last, as it is needed
// until then.
func (r *remote) wipe(ctx context.Context, auth *client.Client, name string) error {
	id, err := userID(ctx, auth, name)
	if err != nil {
		return err
	}
	p, err := auth.Sessions.ListOf(ctx, id, client.ListOptions{})
	if err != nil {
		return err
	}
	sessions := slices.DeleteFunc(p.Items, func(s client.Session) bool { return s.UUID == r.session })
	if len(sessions) == 0 {
		fmt.Printf("No sessions found for user %s\n", id)
		return nil
	}
	own := ""
	if r.token != "" {
		t, err := auth.Tokens.Get(ctx, r.token)
		if err != nil {
			return err
		}
		own = t.Session
	}
	slices.SortStableFunc(sessions, func(a, b client.Session) int {
		switch own {
		case a.UUID:
			return 1
		case b.UUID:
			return -1
		}
		return 0
	})
	for _, s := range sessions {
		var refused *client.Error
		if err := auth.Sessions.DeleteOf(ctx, id, s.UUID); err != nil && (!errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound) {
			return err
		}
	}
	fmt.Printf("Wiped %d sessions for user %s\n", len(sessions), id)
	return nil
}
