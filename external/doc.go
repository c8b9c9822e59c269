// Package external keeps the accounts that users have with other services: what is stored of a user for a type (google,
// microsoft, mobile, or what a plug-in declares), the configuration of each type per tenant, and the consents by which
// users link their accounts (external.md). These data let nobody log in here; they are a keyring for other services, and
// sealed at rest. A consent is a row first: the API makes it and waits a moment until a worker listens for it; Await is
// the worker's side.
package external
