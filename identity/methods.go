package identity

import "slices"

// Methods are the authentication methods that a user or a tenant may have, besides "native" and "default", which are
// always possible: those of the loaded identity providers.
type Methods []string

// Known implements KnownMethods.
func (m Methods) Known(method string) bool {
	return method == methodNative || method == methodDefault || slices.Contains(m, method)
}
