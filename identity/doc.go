// Package identity owns users, their logins, addresses and passwords, groups, policies, tenants and domains, and who belongs
// to what; no other package writes these tables. It makes what the configuration keeps in them at each start, and the mails
// by which users confirm addresses and reset passwords. Every change is one transaction with its entry in the trail, the
// events that it owes and the sessions that it ends. Section numbers in comments are those of the contract page they name.
package identity
