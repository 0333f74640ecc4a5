package deploy_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/api"
)

// The program of a package says the package's version: what scripts/package.sh hands to the
// linker names a variable that is there. (`make package-test` asks the installed program.)
func TestPackageNamesItsVersion(t *testing.T) {
	found := regexp.MustCompile(`go build .*-ldflags "([^"]*)"`).FindStringSubmatch(read(t, "../scripts/package.sh"))
	if found == nil || !strings.Contains(found[1], "$version") {
		t.Fatalf("scripts/package.sh does not hand $version to the linker: %q", found)
	}
	const version = "9.8.7-test.6"
	program := build(t, "-ldflags", strings.ReplaceAll(found[1], "$version", version))
	text, err := exec.CommandContext(t.Context(), program, "version", "-o", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var said api.Version
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if said.Version != version || said.API != "v1" {
		t.Errorf("it says %+v, want version %s", said, version)
	}
	if plain := api.BuildVersion(); plain.Version == "" || plain.Version == version {
		t.Errorf("a build without a name says %+v", plain)
	}
}
