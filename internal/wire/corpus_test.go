package wire

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Every decoder's fuzz target begins where earlier runs have come to.
func TestFuzzTargetsHaveACorpus(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	target, found := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			found++
			if inputs, err := os.ReadDir(filepath.Join("testdata", "fuzz", m[1])); err != nil || len(inputs) < 3 {
				t.Errorf("%s has %d inputs: %v", m[1], len(inputs), err)
			}
		}
	}
	if found < 12 {
		t.Errorf("%d targets", found)
	}
}
