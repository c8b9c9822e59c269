package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/client"
)

// shower makes a show command of a resource.
func shower(r *remote, kind string, show func(ctx context.Context, auth *client.Client, name string) (any, error)) *cobra.Command {
	return &cobra.Command{Use: "show " + kind, Short: "Print it", Args: cobra.ExactArgs(1),
		RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
			v, err := show(ctx, auth, args[0])
			if err != nil {
				return err
			}
			return printJSON(os.Stdout, v)
		})}
}

// deleter makes a delete command of a resource.
func deleter(r *remote, kind, short string, id func(context.Context, *client.Client, string) (string, error), del func(context.Context, *client.Client, string) error) *cobra.Command {
	return &cobra.Command{Use: "delete " + kind, Short: short, Args: cobra.ExactArgs(1),
		RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
			u, err := id(ctx, auth, args[0])
			if err != nil {
				return err
			}
			return del(ctx, auth, u)
		})}
}

func tenant() *cobra.Command {
	r := &remote{}
	create := &cobra.Command{Use: "create NAME", Short: "Make a tenant and print the uuid", Args: cobra.ExactArgs(1)}
	parent := create.Flags().String("parent", "", "below this tenant, by name or uuid")
	id := create.Flags().String("uuid", "", "uuid of the tenant")
	slug := create.Flags().String("slug", "", "short name, 10 letters and digits at most")
	create.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) error {
		if *parent != "" {
			p, err := tenantID(ctx, auth, *parent)
			if err != nil {
				return err
			}
			auth = auth.In(p)
		}
		made, err := auth.Tenants.Create(ctx, client.Tenant{Name: &args[0], UUID: *id, Slug: *slug})
		if err != nil {
			return err
		}
		fmt.Println(made.UUID)
		return nil
	})
	return r.command("tenant", "Work with tenants", create,
		deleter(r, "TENANT", "Remove a tenant and everything in it", tenantID,
			func(ctx context.Context, auth *client.Client, id string) error { return auth.Tenants.Delete(ctx, id) }),
		shower(r, "TENANT", func(ctx context.Context, auth *client.Client, name string) (any, error) {
			id, err := tenantID(ctx, auth, name)
			if err != nil {
				return nil, err
			}
			return auth.Tenants.Get(ctx, id)
		}),
		lister(r, "tenants", []string{"uuid", "name", "slug", "parent_uuid"},
			func(ctx context.Context, auth *client.Client, o client.ListOptions) (client.Page[client.Tenant], error) {
				return auth.Tenants.List(ctx, o)
			}))
}

func group() *cobra.Command {
	r := &remote{}
	create := &cobra.Command{Use: "create NAME", Short: "Make a group and print the uuid", Args: cobra.ExactArgs(1),
		RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
			made, err := auth.Groups.Create(ctx, client.Group{Name: args[0]})
			if err != nil {
				return err
			}
			fmt.Println(made.UUID)
			return nil
		})}
	return r.command("group", "Work with groups", create,
		deleter(r, "GROUP", "Remove a group; its users and policies stay", groupID,
			func(ctx context.Context, auth *client.Client, id string) error { return auth.Groups.Delete(ctx, id) }),
		shower(r, "GROUP", func(ctx context.Context, auth *client.Client, name string) (any, error) {
			id, err := groupID(ctx, auth, name)
			if err != nil {
				return nil, err
			}
			g, err := auth.Groups.Get(ctx, id)
			if err != nil {
				return nil, err
			}
			users, err := auth.Groups.Users(ctx, id, client.ListOptions{})
			return struct {
				client.Group
				Users []client.User `json:"users"`
			}{g, users.Items}, err
		}),
		lister(r, "groups", []string{"uuid", "name", "slug", "tenant_uuid", "system_managed"},
			func(ctx context.Context, auth *client.Client, o client.ListOptions) (client.Page[client.Group], error) {
				return auth.Groups.List(ctx, o)
			}),
		member(r, "add", "Make a user a member, or give a group a policy"), member(r, "remove", "End a membership, or take a policy from a group"))
}

func member(r *remote, verb, short string) *cobra.Command {
	c := &cobra.Command{Use: verb + " GROUP", Short: short, Args: cobra.ExactArgs(1)}
	user := c.Flags().String("user", "", "the user, by name or uuid")
	policy := c.Flags().String("policy", "", "the policy, by name or uuid")
	c.MarkFlagsMutuallyExclusive("user", "policy")
	c.MarkFlagsOneRequired("user", "policy")
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) error {
		g, err := groupID(ctx, auth, args[0])
		if err != nil {
			return err
		}
		if *policy != "" {
			p, err := policyID(ctx, auth, *policy)
			if err != nil {
				return err
			}
			if verb == "add" {
				return auth.Groups.AddPolicy(ctx, g, p)
			}
			return auth.Groups.RemovePolicy(ctx, g, p)
		}
		u, err := userID(ctx, auth, *user)
		if err != nil {
			return err
		}
		if verb == "add" {
			return auth.Groups.AddUser(ctx, g, u)
		}
		return auth.Groups.RemoveUser(ctx, g, u)
	})
	return c
}

func policy() *cobra.Command {
	r := &remote{}
	return r.command("policy", "Work with policies", policyCreate(r),
		deleter(r, "POLICY", "Remove a policy from everybody who has it", policyID,
			func(ctx context.Context, auth *client.Client, id string) error { return auth.Policies.Delete(ctx, id) }),
		shower(r, "POLICY", func(ctx context.Context, auth *client.Client, name string) (any, error) {
			id, err := policyID(ctx, auth, name)
			if err != nil {
				return nil, err
			}
			return auth.Policies.Get(ctx, id)
		}),
		lister(r, "policies", []string{"uuid", "name", "description", "tenant_uuid", "acl"},
			func(ctx context.Context, auth *client.Client, o client.ListOptions) (client.Page[client.Policy], error) {
				return auth.Policies.List(ctx, o)
			}),
		policyAccess(r, "add", "Add accesses to a policy"), policyAccess(r, "remove", "Take accesses out of a policy"))
}

func policyCreate(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "create NAME [--acl ACCESS ...]", Short: "Make a policy and print the uuid", Args: cobra.MinimumNArgs(1),
		Long: "Make a policy and print the uuid. Arguments after the name are accesses, as are those of --acl."}
	description := c.Flags().String("description", "", "what it is for")
	acl := c.Flags().StringArray("acl", nil, "an access; may be repeated")
	shared := c.Flags().Bool("shared", false, "the tenants below have it too")
	orShow := c.Flags().Bool("or-show", false, "print the uuid of the policy of that name if there is one")
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) error {
		made, err := auth.Policies.Create(ctx, client.Policy{Name: args[0], Description: pointer(*description), ACL: append(*acl, args[1:]...), Shared: *shared})
		var refused *client.Error
		if *orShow && errors.As(err, &refused) && refused.StatusCode == http.StatusConflict {
			if found, unknown := policyID(ctx, auth, args[0]); unknown == nil {
				made.UUID, err = found, nil
			}
		}
		if err != nil {
			return err
		}
		fmt.Println(made.UUID)
		return nil
	})
	return c
}

func policyAccess(r *remote, verb, short string) *cobra.Command {
	return &cobra.Command{Use: verb + " POLICY ACCESS...", Short: short, Args: cobra.MinimumNArgs(2),
		RunE: r.do(func(ctx context.Context, auth *client.Client, args []string) error {
			p, err := policyID(ctx, auth, args[0])
			if err != nil {
				return err
			}
			for _, access := range args[1:] {
				if verb == "add" {
					err = auth.Policies.AddAccess(ctx, p, access)
				} else {
					err = auth.Policies.RemoveAccess(ctx, p, access)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", access, err)
				}
			}
			return nil
		})}
}
