// Package identity owns users, their logins and passwords, groups, policies, tenants and who belongs to what. No other
// package writes these tables. So far it makes the first user, changes passwords and answers who may see whom; the
// resources of the REST interface come on top.
package identity
