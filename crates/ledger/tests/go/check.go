// Checks proofs of a Plumbline log with the library of Go's checksum database, which knows nothing of Plumbline.
//
// Input: a line with the log's vkey, then a line for each proof: the base64 of a proof file (docs/formats/proof.md).
// Output: a line for each, `ok` or `refused: ` and why. Its parser of tree notes wants an origin line of its own,
// so checkpoint texts are read here; signatures, hashes and proofs are the library's.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var errMalformed = errors.New("malformed")

// decode reads base64 in its one written form: the library would let unused bits and line feeds pass.
func decode(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(data) != text {
		return nil, errMalformed
	}
	return data, nil
}

func decimal(text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 0 || strconv.FormatInt(number, 10) != text {
		return 0, errMalformed
	}
	return number, nil
}

func hash(text string) (tlog.Hash, error) {
	var hash tlog.Hash
	data, err := decode(text)
	if err != nil || len(data) != len(hash) {
		return hash, errMalformed
	}
	copy(hash[:], data)
	return hash, nil
}

// open checks a signed checkpoint and returns its tree.
func open(text string, key note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	for _, signature := range append(opened.Sigs, opened.UnverifiedSigs...) {
		if _, err := decode(signature.Base64); err != nil {
			return tlog.Tree{}, err
		}
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		return tlog.Tree{}, errMalformed
	}
	size, err := decimal(lines[1])
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := hash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// hashes reads lines up to the empty one and returns what follows.
func hashes(text string) ([]tlog.Hash, string, error) {
	var found []tlog.Hash
	for {
		line, rest, more := strings.Cut(text, "\n")
		if !more {
			return nil, "", errMalformed
		}
		if line == "" {
			return found, rest, nil
		}
		next, err := hash(line)
		if err != nil {
			return nil, "", err
		}
		found, text = append(found, next), rest
	}
}

func inclusion(text string, key note.Verifier) error {
	encoded, text, more := strings.Cut(text, "\n")
	if !more || !strings.HasPrefix(encoded, "extra ") {
		return errMalformed
	}
	extra, err := decode(strings.TrimPrefix(encoded, "extra "))
	if err != nil {
		return err
	}
	line, text, more := strings.Cut(text, "\n")
	if !more || !strings.HasPrefix(line, "index ") {
		return errMalformed
	}
	index, err := decimal(strings.TrimPrefix(line, "index "))
	if err != nil {
		return err
	}
	proof, text, err := hashes(text)
	if err != nil {
		return err
	}
	tree, err := open(text, key)
	if err != nil {
		return err
	}
	entry, body, found := bytes.Cut(extra, []byte("\n"))
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	var members struct {
		Index  int64  `json:"index"`
		Sha256 string `json:"body_sha256"`
		Len    int    `json:"body_len"`
	}
	if err := json.Unmarshal(entry, &members); err != nil {
		return err
	}
	digest := sha256.Sum256(body)
	if !found || members.Index != index || members.Len != len(body) || members.Sha256 != hex.EncodeToString(digest[:]) {
		return errors.New("the body is not the one of the entry")
	}
	return nil
}

func consistency(text string, key note.Verifier) error {
	proof, text, err := hashes(text)
	if err != nil {
		return err
	}
	parts := strings.SplitN(text, "\n\n", 3)
	if len(parts) != 3 {
		return errMalformed
	}
	older, err := open(parts[0]+"\n\n"+parts[1]+"\n", key)
	if err != nil {
		return err
	}
	newer, err := open(parts[2], key)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash)
}

func check(file []byte, key note.Verifier) error {
	first, rest, _ := strings.Cut(string(file), "\n")
	switch first {
	case "c2sp.org/tlog-proof@v1":
		return inclusion(rest, key)
	case "plumbline.consistency/v1":
		return consistency(rest, key)
	}
	return errMalformed
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<22)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	if !input.Scan() {
		panic("no vkey")
	}
	key, err := note.NewVerifier(input.Text())
	if err != nil {
		panic(err)
	}
	for input.Scan() {
		file, err := base64.StdEncoding.DecodeString(input.Text())
		if err != nil {
			panic(err)
		}
		if err := check(file, key); err != nil {
			fmt.Fprintf(output, "refused: %q\n", err.Error())
		} else {
			fmt.Fprintln(output, "ok")
		}
	}
	if input.Err() != nil {
		panic(input.Err())
	}
}
