// Package ldap is the source of users who have their passwords in the directory of their tenant: method "ldap", backend
// "ldap_user" (backends.md sections 6 to 8 of the contract). A login names the tenant by one of its domains; the tenant's
// directory verifies the password and tells the e-mail address, by which the user is found among ours.
//
// Directories belong to others: they may be slow, silent or hostile. So every step has a time limit, what a server may
// send is bounded, as is the number of logins that wait for one tenant's server and for all of them, and what a server
// says reaches the log only as the name of a result code.
package ldap
