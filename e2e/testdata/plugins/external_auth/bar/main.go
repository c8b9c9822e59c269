// Command bar declares a type of external accounts that stores bodies as they come, and shows the scope of an account.
package main

import "github.com/xivo-auth/xivo-auth/backends/pluginsdk"

type bar struct{ pluginsdk.ExternalAuthDefaults }

func (bar) Declaration() pluginsdk.Declaration {
	return pluginsdk.Declaration{Info: map[string]any{"foo": "bar"}, Safe: map[string]string{"scope": "strings"}}
}

func main() { pluginsdk.ServeExternalAuth(bar{}) }
