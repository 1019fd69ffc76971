package status

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

// maxProfile is the longest that one request may watch the process.
const maxProfile = 2 * time.Minute

// profiles adds what shows the inside of the process: stacks, memory, where time goes. It costs the process something and
// tells more than others need to know, so it is for those alone who may also change things.
func profiles(mux *http.ServeMux) *http.ServeMux {
	mux.Handle("GET /debug/pprof/", profiling(pprof.Index))
	mux.Handle("GET /debug/pprof/cmdline", profiling(pprof.Cmdline))
	mux.Handle("GET /debug/pprof/profile", profiling(pprof.Profile))
	mux.Handle("GET /debug/pprof/symbol", profiling(pprof.Symbol))
	mux.Handle("GET /debug/pprof/trace", profiling(pprof.Trace))
	return mux
}

// profiling makes time for a profile. The server's own limits would end it in the middle, without an error.
func profiling(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text := r.FormValue("seconds"); text != "" {
			if n, err := strconv.ParseFloat(text, 64); err != nil || !(n > 0 && n <= maxProfile.Seconds()) {
				http.Error(w, fmt.Sprintf("seconds is %q; it is a number above 0 and at most %v", text, maxProfile.Seconds()), http.StatusBadRequest)
				return
			}
		}
		if err := allow(w, maxProfile); err != nil {
			http.Error(w, fmt.Sprintf("make time for the profile: %v", err), http.StatusInternalServerError)
			return
		}
		next(w, r)
	})
}
