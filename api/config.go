package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/fault"
)

func (s *server) configRoutes() []route {
	if s.Config == nil {
		return nil
	}
	return []route{
		{method: "GET", path: "/config", access: "auth.config.read", authorized: s.ofTop(s.getConfig), plugin: "config"},
		{method: "PATCH", path: "/config", access: "auth.config.update", authorized: s.ofTop(s.patchConfig), plugin: "config"},
	}
}

// ofTop lets in only tokens of the top tenant (section 5, top). The refusal names neither a reason nor an access.
func (s *server) ofTop(h gin.HandlerFunc) func(*gin.Context, *caller) {
	return func(c *gin.Context, who *caller) {
		top := false
		if who.owner.Tenant != nil {
			var err error
			if top, err = s.Checker.Top(c.Request.Context(), *who.owner.Tenant); err != nil {
				s.fail(c, err)
				return
			}
		}
		if !top {
			s.fail(c, fault.Modern(fault.Unauthenticated, "unauthorized", "", "Unauthorized", nil))
			return
		}
		h(c)
	}
}

func (s *server) getConfig(c *gin.Context) { writeJSON(c, http.StatusOK, s.Config.Show()) }

// changeFields is one element of a JSON Patch; it has exactly these members.
var changeFields = []field{
	{name: "op", required: true, read: oneOf("replace")},
	{name: "path", required: true, read: oneOf("/"+config.SwitchDebug, "/"+config.SwitchProfiling)},
	{name: "value", required: true, read: truth},
}

// mostChanges bounds a patch; two switches need no more.
const mostChanges = 100

var errUnknownField = fieldError{Message: "Unknown field."}

// change reads an element and refuses what it does not know.
func change(v any) (value, failure any) {
	members, ok := v.(map[string]any)
	if !ok {
		return nil, errObject
	}
	values, failed := check(members, changeFields)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name != "op" && name != "path" && name != "value" {
			failed.add(name, errUnknownField)
		}
	}
	if len(failed.names) > 0 {
		return nil, &failed
	}
	return values, nil
}

// patchConfig turns switches of this process, until its end.
func (s *server) patchConfig(c *gin.Context) {
	body, err := readValue(c, s.MaxBody)
	if err != nil {
		s.fail(c, err)
		return
	}
	values, failed := check(map[string]any{"_schema": body}, []field{{name: "_schema", read: listOf(mostChanges, change)}})
	if err := failed.first("config"); err != nil {
		s.fail(c, err)
		return
	}
	list, _ := values["_schema"].([]any)
	changes := make([]config.Change, len(list))
	for i, x := range list {
		v, _ := x.(map[string]any)
		changes[i] = config.Change{Key: strings.TrimPrefix(text(v, "path"), "/"), On: yes(v, "value", false)}
	}
	if err := s.Config.Apply(c.Request.Context(), changes); err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, s.Config.Show())
}
