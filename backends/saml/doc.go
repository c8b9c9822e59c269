// Package saml logs users in through the SAML 2.0 identity providers of tenants (backends.md sections 9 and 10): metadata,
// signed requests, answers and what they must fulfil, single logout; and the provider of logins that were answered.
//
// XML arrives from strangers. It is looked at once for what XML can do beyond SAML's needs (check), and of an answer only
// the bytes that its signature covers are read (open).
package saml
