// Command broken_verify_password is a backend that loads and refuses every password.
package main

import "github.com/xivo-auth/xivo-auth/backends/pluginsdk"

type source struct{ pluginsdk.BackendDefaults }

func main() { pluginsdk.ServeBackend(source{}) }
