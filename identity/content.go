package identity

import (
	"maps"
	"slices"

	"github.com/xivo-auth/xivo-auth/config"
)

// content is what the configuration wants to be in the database, in the order in which it is worked off.
type content struct {
	policies []contentPolicy
	// named are the slugs of policies, those of allUsers are its keys, enabled or not.
	named, allUsersKeys []string
	allUsers            contentLinks
	groups              []contentGroup
}

type contentPolicy struct {
	Slug        string   `json:"slug"`
	Description string   `json:"description"`
	ACL         []string `json:"acl"`
}

// contentLinks are slugs of policies that are added, and of those that are taken away.
type contentLinks struct{ add, remove []string }

type contentGroup struct {
	slug string
	contentLinks
}

func readContent(cfg config.Content) content {
	c := content{named: sorted(cfg.DefaultPolicies), allUsersKeys: sorted(cfg.AllUsersPolicies), allUsers: links(cfg.AllUsersPolicies), policies: []contentPolicy{}}
	for _, slug := range c.named {
		p := contentPolicy{Slug: slug, Description: cfg.DefaultPolicies[slug].Description, ACL: []string{}}
		for _, access := range cfg.DefaultPolicies[slug].ACL {
			if !slices.Contains(p.ACL, access) {
				p.ACL = append(p.ACL, access)
			}
		}
		c.policies = append(c.policies, p)
	}
	for _, slug := range sorted(cfg.TenantDefaultGroups) {
		c.groups = append(c.groups, contentGroup{slug, links(cfg.TenantDefaultGroups[slug].Policies)})
	}
	return c
}

func links(policies map[string]bool) contentLinks {
	l := contentLinks{add: []string{}, remove: []string{}}
	for _, slug := range sorted(policies) {
		if policies[slug] {
			l.add = append(l.add, slug)
		} else {
			l.remove = append(l.remove, slug)
		}
	}
	return l
}

// sorted are the keys of a map; never nil.
func sorted[V any](m map[string]V) []string {
	return append([]string{}, slices.Sorted(maps.Keys(m))...)
}
