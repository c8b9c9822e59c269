// Package sources makes the sources of authentication that a configuration enables: those of this build and the plug-ins.
// It is a room so that the API and the command `xivo-auth backend check` cannot differ in what a configuration means.
package sources
