package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// CORS says whether and how pages of other origins may call (section 12): all origins, no credentials.
type CORS struct {
	Enabled      bool
	AllowHeaders []string
}

var anyOrigin = []string{"*"}

func (o CORS) apply(c *gin.Context) {
	if !o.Enabled {
		return
	}
	h := c.Writer.Header()
	origin := c.GetHeader("Origin")
	if origin == "" {
		h["Access-Control-Allow-Origin"] = anyOrigin
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if c.Request.Method != http.MethodOptions || c.GetHeader("Access-Control-Request-Method") == "" {
		return
	}
	h.Set("Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
	if allowed := o.allowed(c.GetHeader("Access-Control-Request-Headers")); allowed != "" {
		h.Set("Access-Control-Allow-Headers", allowed)
	}
}

// allowed are those of the requested headers that may be sent, sorted, spelled as in the request.
func (o CORS) allowed(requested string) string {
	var out []string
	for name := range strings.SplitSeq(requested, ",") {
		name = strings.TrimSpace(name)
		if slices.ContainsFunc(o.AllowHeaders, func(a string) bool { return strings.EqualFold(a, name) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
