#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The client certificate of EFS, field by field beside one that the openssl
# command makes in the way of the mount helper, of the same key, keys and time.

bats_require_minimum_version 1.5.0
load lib/common
load lib/aws

setup() {
	aws_clean
	cd "$BATS_TEST_TMPDIR" || return
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	# Now, in whole seconds, and as openssl ca wants it.
	now=$(date +%s)
}

# stamp SECONDS: as in a certificate.
stamp() { date -u -d "@$1" +%y%m%d%H%M%SZ; }

# signature KEY [TOKEN]: of the request, computed by other means.
signature() {
	openssl rsa -in "$1" -pubout -RSAPublicKey_out -outform DER -out public.der 2>/dev/null
	python3 - "$(sha1sum <public.der | cut -d' ' -f1)" "$now" "${2:-}" <<-'PYTHON'
		import datetime, hashlib, hmac, os, sys
		from urllib.parse import quote_plus
		key_hash, now, token = sys.argv[1:]
		time = datetime.datetime.fromtimestamp(int(now), datetime.timezone.utc)
		stamp = time.strftime("%Y%m%dT%H%M%SZ")
		scope = [stamp[:8], "eu-west-1", "elasticfilesystem", "aws4_request"]
		query = {"Action": "Connect", "PublicKeyHash": key_hash,
		         "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
		         "X-Amz-Credential": "/".join(
		             [os.environ["AWS_ACCESS_KEY_ID"]] + scope),
		         "X-Amz-Date": stamp, "X-Amz-Expires": "86400",
		         "X-Amz-SignedHeaders": "host"}
		if token:
		    query["X-Amz-Security-Token"] = token
		request = "\n".join(
		    ["GET", "/", "&".join(f"{k}={quote_plus(query[k], safe='-_.~')}"
		                          for k in sorted(query)),
		     "host:fs-0123456789abcdef0", "host",
		     hashlib.sha256(b"").hexdigest()])
		text = "\n".join(["AWS4-HMAC-SHA256", stamp, "/".join(scope),
		                  hashlib.sha256(request.encode()).hexdigest()])
		key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
		for part in scope + [text]:
		    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
		print(key.hex())
	PYTHON
}

# reference KEY ACCESS-POINT [TOKEN]: writes reference.crt.
reference() {
	mkdir certs
	: >index.txt
	echo 'unique_subject = no' >index.txt.attr
	echo 00 >serial
	cat >config <<-END
		[ca]
		default_ca = local_ca
		[local_ca]
		database = index.txt
		serial = serial
		private_key = $1
		new_certs_dir = certs
		default_md = sha256
		preserve = no
		policy = efsPolicy
		x509_extensions = v3_ca
		[efsPolicy]
		CN = supplied
		[req]
		prompt = no
		distinguished_name = req_distinguished_name
		[req_distinguished_name]
		CN = the-host
		[v3_ca]
		subjectKeyIdentifier = hash
		1.3.6.1.4.1.4843.7.1 = ASN1:UTF8String:$2
		1.3.6.1.4.1.4843.7.2 = ASN1:SEQUENCE:efs_client_auth
		1.3.6.1.4.1.4843.7.3 = ASN1:UTF8String:fs-0123456789abcdef0
		1.3.6.1.4.1.4843.7.4 = ASN1:SEQUENCE:efs_client_info
		[efs_client_auth]
		accessKeyId = UTF8String:$AWS_ACCESS_KEY_ID
		signature = OCTETSTRING:$(signature "$1" "${3:-}")
		sigv4DateTime = UTCTIME:$(stamp "$now")
		${3:+sessionToken = EXPLICIT:0,UTF8String:$3}
		[efs_client_info]
		source = UTF8:efsbridge
		efs_utils_version = UTF8:1.2.3
	END
	[ "$2" ] || sed -i '/4843.7.1/d' config
	openssl req -new -config config -key "$1" -out request
	openssl ca -startdate "$(stamp $((now - 900)))" \
		-enddate "$(stamp $((now + 10800)))" -selfsign -batch -notext \
		-config config -in request -out reference.crt
}

# same: the certificates do not differ in a single byte: RSA signatures of this
# kind have nothing random.
same() {
	diff <(openssl asn1parse -in reference.crt) <(openssl asn1parse -in made.crt)
	cmp <(openssl x509 -in reference.crt -outform DER) \
		<(openssl x509 -in made.crt -outform DER)
}

@test 'with an access point and keys' {
	"$AWSTOOL" certificate -t "$now" -a fsap-0123456789abcdef0 \
		fs-0123456789abcdef0 made
	reference made.key fsap-0123456789abcdef0
	same
}

@test 'with a session token' {
	export AWS_SESSION_TOKEN='IQoJb3JpZ2luX2VjE+/='
	for _ in 1 2 3 4 5; do
		AWS_SESSION_TOKEN+=$AWS_SESSION_TOKEN
	done
	"$AWSTOOL" certificate -t "$now" fs-0123456789abcdef0 made
	reference made.key '' "$AWS_SESSION_TOKEN"
	same
}

@test 'it is what a TLS server takes as a client certificate' {
	"$AWSTOOL" certificate fs-0123456789abcdef0 made
	openssl verify -CAfile made.crt -check_ss_sig made.crt
	openssl x509 -in made.crt -noout -text | grep -q 'Version: 3'
	[ "$(openssl x509 -in made.crt -noout -subject -nameopt RFC2253)" = \
		'subject=CN=the-host' ]
}
