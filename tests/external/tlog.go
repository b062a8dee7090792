// Reads one of our logs over HTTPS with the packages note and tlog of golang.org/x/mod, which nobody here wrote: the
// signed checkpoint, tiles, entries, inclusion and consistency. It knows the log's key and the node's certificate
// authority, and believes nothing else.
//
//	tlog PREFIX AUTHORITY.pem VERIFIER-KEY
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of a tile: 256 hashes

type reader struct {
	prefix string
	client *http.Client
	size   int64
	tiles  int
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

func run(prefix, authority, key string) error {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	var r *reader
	var tree tlog.Tree
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(protocol == "HTTP/1.1")
		protocols.SetHTTP2(protocol == "HTTP/2.0")
		if !strings.HasPrefix(prefix, "https:") { // without TLS there is nothing to settle it by
			protocols.SetHTTP1(true)
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: protocols}
		r = &reader{prefix: prefix, client: &http.Client{Transport: transport}}
		text, spoken, err := r.get("checkpoint")
		if err != nil {
			return err
		}
		if spoken != protocol && strings.HasPrefix(prefix, "https:") {
			return fmt.Errorf("asked in %s, answered in %s", protocol, spoken)
		}
		if tree, err = open(text, verifier); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	r.size = tree.N
	hashes := tlog.TileHashReader(tree, r)
	if err := everyEntry(r, tree, hashes); err != nil {
		return err
	}
	if err := proofs(r, tree, hashes); err != nil {
		return err
	}
	fmt.Printf("%d entries, %d tiles\n", tree.N, r.tiles)
	return nil
}

func open(text []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("not three lines of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("no root: %v", err)
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// everyEntry hashes every entry of every bundle and compares it with the hash that the tiles prove.
func everyEntry(r *reader, tree tlog.Tree, hashes tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += 256 {
		entries, err := r.entries(first)
		if err != nil {
			return err
		}
		indexes := make([]int64, len(entries))
		for i := range entries {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		proven, err := hashes.ReadHashes(indexes)
		if err != nil {
			return fmt.Errorf("tiles of entry %d: %w", first, err)
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != proven[i] {
				return fmt.Errorf("entry %d is not what was signed", first+int64(i))
			}
		}
	}
	return nil
}

func proofs(r *reader, tree tlog.Tree, hashes tlog.HashReader) error {
	for _, index := range []int64{0, 1, 255, 256, tree.N / 2, tree.N - 1} {
		if index >= tree.N {
			continue
		}
		entries, err := r.entries(index / 256 * 256)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[index%256])); err != nil {
			return fmt.Errorf("inclusion of %d: %w", index, err)
		}
	}
	for _, old := range []int64{1, 255, 256, 257, tree.N / 3, tree.N - 1, tree.N} {
		if old < 1 || old > tree.N {
			continue
		}
		root, err := tlog.TreeHash(old, hashes)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old, root); err != nil {
			return fmt.Errorf("consistency from %d: %w", old, err)
		}
	}
	return nil
}

// entries reads the bundle that begins with the entry `first`.
func (r *reader) entries(first int64) ([][]byte, error) {
	path := "tile/entries/" + position(first/256, min(r.size-first, 256))
	bundle, _, err := r.get(path)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(bundle) >= 2 {
		length := int(binary.BigEndian.Uint16(bundle))
		if bundle = bundle[2:]; len(bundle) < length {
			return nil, fmt.Errorf("%s ends within an entry", path)
		}
		entries, bundle = append(entries, bundle[:length]), bundle[length:]
	}
	if len(bundle) != 0 || int64(len(entries)) != min(r.size-first, 256) {
		return nil, fmt.Errorf("%s cannot be cut into its entries", path)
	}
	return entries, nil
}

func position(n, width int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < 256 {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

func (r *reader) get(path string) ([]byte, string, error) {
	request, err := http.NewRequestWithContext(context.Background(), "GET", r.prefix+"/"+path, nil)
	if err != nil {
		return nil, "", err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, "", err
	}
	if response.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s: %s", path, response.Status)
	}
	return body, response.Proto, nil
}

// Height, ReadTiles and SaveTiles make it a tlog.TileReader. Its paths have the height in them, ours do not.
func (r *reader) Height() int { return height }

func (r *reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		body, _, err := r.get(path)
		if err != nil {
			return nil, err
		}
		read = append(read, body)
		r.tiles++
	}
	return read, nil
}

func (r *reader) SaveTiles([]tlog.Tile, [][]byte) {}
