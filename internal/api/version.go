package api

import (
	"runtime"
	"runtime/debug"
)

// Version says what is running.
type Version struct {
	Version  string `json:"version" doc:"release, or (devel)"`
	Revision string `json:"revision" doc:"commit that it was built from, with + if the tree had changes; empty: not known"`
	Go       string `json:"go" doc:"release of the Go tool chain"`
	API      string `json:"api" doc:"version of this API"`
}

// release is the version that scripts/package.sh names, by the linker's -X, which sets
// nothing but a variable; empty: the build names none. Nothing else writes it.
var release string

// BuildVersion returns the version of this program: the one that its package was given,
// and else what the build recorded of its module.
func BuildVersion() Version {
	v := Version{Version: "(devel)", Go: runtime.Version(), API: "v1"}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	if release != "" {
		v.Version = release
	}
	if !ok {
		return v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	if v.Revision != "" {
		v.Revision += dirty
	}
	return v
}
