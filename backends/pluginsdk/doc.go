// Package pluginsdk is what the author of a plug-in for xivo-auth imports. A plug-in is a program of its own that xivo-auth
// starts, watches and stops; its crash is an error of that one source and nothing more. One program serves one kind:
//
//   - A Backend verifies passwords and says what an accepted login may do and who it is.
//   - An IdentityProvider looks at login requests, says whether one is its own, and verifies it.
//   - A MetadataProvider adds to the metadata of tokens, by the purpose of the user.
//
// Write a type that embeds the Defaults of its kind, add the methods that you offer, and serve it from main:
//
//	type source struct{ pluginsdk.BackendDefaults }
//
//	func (source) VerifyPassword(ctx context.Context, login, password string, r *pluginsdk.Request) (bool, error) { ... }
//
//	func main() { pluginsdk.ServeBackend(source{}) }
//
// Build it to <plugins directory>/backend/<name>, enable <name> in the configuration, restart xivo-auth.
//
// # Answers
//
// A wrong password or an unknown login is false, or ErrRejected where there is no bool: the client gets 401. Every other
// error means "could not tell": the client gets 500, the operator an error line and a metric. A panic is such an error too.
// Never put a password into an error or into a log line.
//
// # Life
//
// Load is called once, with the settings of the plug-in; an error there leaves the plug-in out until xivo-auth is restarted.
// All other methods are called concurrently. Their context ends when the caller is gone or the time is up (5 s by default,
// 250 ms for Claims): pass it on. Standard output and standard error become lines in the log of xivo-auth with the name of
// the plug-in, at most 1 KiB each and 100 a second. The environment has little more than PATH, HOME and TZ; the working
// directory is the folder of the program. The program ends with xivo-auth, also when that is killed.
//
// # Limits
//
// An answer is at most 1 MiB, an access list at most 20000 entries, metadata at most 64 KiB of JSON.
package pluginsdk
