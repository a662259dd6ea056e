#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# certbot runs this after a renewal, for each certificate that it renewed.
exec /usr/local/sbin/{{ site.name }}-certificates deploy "${RENEWED_LINEAGE:?}"
