// Package seal owns what must be kept secret at rest and yet be handed out again: refresh tokens. It seals them with
// AES-256-GCM under the first key of a [Keyring]; every key of the ring opens. To rotate, put a new key in front and take the
// old one away when nothing sealed with it is needed any more.
//
// What is sealed is bound to its place by additional data ([AAD]): a sealed value that somebody copies into another row does
// not open there.
//
// Keys come from the configuration, or, for an installation on one host, from a file made at the first start
// ([LoadOrCreate]). The package knows no database; no error of it holds a key or a plain text.
package seal
