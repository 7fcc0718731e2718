// Made from openapi.json by `npm run gen:api`. Not to be changed by hand.

export interface paths {
    "/admin/downloads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists downloads, the newest first. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `downloads`: repository, model, state, bytes, speed, seconds left and error of each */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Takes a download on. The same one that is under way is answered in its place. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["DownloadBody"];
                };
            };
            responses: {
                /** @description the same download, which is under way already */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description the download */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description a value that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description this gateway hosts no models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many downloads wait */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/downloads/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes a download off the list: an unfinished one ends and leaves nothing, a model that is done stays. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the download's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is not listed any more */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id that is none */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such download */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description this gateway hosts no models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/downloads/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a download; what is on the disk stays. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the download's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the download, which stands still */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id that is none */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such download */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description it is over, or this gateway hosts no models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/downloads/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Goes on with a download that was stopped or failed. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the download's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the download, which runs or waits */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id that is none */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such download */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description it is done, or this gateway hosts no models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells the fleet as it changes.
         * @description Each event has `id:`, `event:` (its type) and `data:`. The first is a `snapshot`, as `/admin/fleet` answers it; then
         *     come `node`, `node_removed`, `turns`, `rates` and `notice`. Who comes back with the last id gets what it missed, or a
         *     snapshot. A reader that is too slow gets `cut` and may come back.
         */
        get: {
            parameters: {
                query?: never;
                header?: {
                    /** @description the last id that the reader has seen */
                    "last-event-id"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description server-sent events; begins with `retry: 1000` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": unknown;
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many readers */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/fleet": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The whole fleet at this moment. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `nodes` with machine and replicas, `turns` that run, `rates` and their `history`, open `notices` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/hub/model": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a repository of the hub offers. */
        get: {
            parameters: {
                query: {
                    /** @description `owner/name` or `owner/name@revision` */
                    repo: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `choices` with pattern, name, format, quantisation, files and bytes of each, the `default` among them, and the room on this gateway's disk */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description a parameter that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the hub has no such repository or revision */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description this gateway hosts no models, or knows no hub */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the hub does not answer, or not as it should, or gives it to nobody like us */
                502: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many ask the hub already */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the hub takes too long */
                504: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/hub/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Looks for models at the hub. */
        get: {
            parameters: {
                query: {
                    /** @description what names or tags hold, 1 to 200 bytes */
                    q: string;
                    /** @description models; 20 when left out */
                    limit?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `hub` and `models`: repository, downloads, likes, age, tags and whether it asks for consent; `has_search` is false where the hub has none */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description a parameter that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description this gateway hosts no models, or knows no hub */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the hub does not answer, or not as it should */
                502: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many ask the hub already */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the hub takes too long */
                504: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists lines of the logs, the oldest first.
         * @description Each line of the answer is an object with a `type`: `line`, `missing` for a machine that did not answer in time, and
         *     last `end`, whose `next` is `after` for what follows. With `follow` they come as server-sent events with these names,
         *     for as long as the client listens. With `download` all lines of the span come as a file.
         */
        get: {
            parameters: {
                query?: {
                    /** @description error, warn, info, debug or trace: this and what is quieter */
                    level?: string;
                    /** @description from this moment on, in Unix milliseconds */
                    since?: number;
                    /** @description before this moment, in Unix milliseconds */
                    until?: number;
                    /** @description a part of the program, `peer` or `guard` for instance */
                    actor?: string;
                    /** @description a turn's id */
                    turn?: string;
                    /** @description one machine, by id or name; all when left out */
                    node?: string;
                    /** @description a text in the message or a field */
                    text?: string;
                    /** @description lines; 200 when left out */
                    limit?: number;
                    /** @description behind this moment in Unix microseconds, the oldest first; without it the newest come */
                    after?: number;
                    /** @description go on with lines as they are written */
                    follow?: boolean;
                    /** @description everything, as a file */
                    download?: boolean;
                };
                header?: {
                    /** @description the last id of a stream that broke; goes before `after` */
                    "last-event-id"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description JSON lines, or server-sent events */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/x-ndjson": unknown;
                        "text/event-stream": unknown;
                    };
                };
                /** @description a parameter that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such machine */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many readers */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/models/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes a model off this gateway's disk, for good. Other members keep what they have. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description what clients call the model */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description its files are gone */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such model lies in this gateway's models folder */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description it is loaded here, a download writes it, it lies outside of the models folder, or this gateway hosts no models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the disk or the audit fails */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/models/{id}/load": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has a model loaded. On a member that is named room is made as anywhere: by unloading what nobody uses. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description what clients call the model */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["WhereBody"];
                };
            };
            responses: {
                /** @description it will be loaded */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such model, or no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the member does not host models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description it fits nowhere, or not on that member, also after unloading what nobody uses; the message says how many bytes are missing */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/models/{id}/pin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has a model stay once it is loaded: it is ended neither to make room nor for being idle. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description what clients call the model */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["WhereBody"];
                };
            };
            responses: {
                /** @description the member keeps it, or every member that has it, over restarts as well */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such model, or no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the member does not host models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/models/{id}/placement": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where a model would fit: what a load of it does on each member, decided as a load decides it. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description what clients call the model */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `best`, and of each of `nodes`: whether it fits, what would be unloaded for it, or why not and how many bytes are missing */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such model */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/models/{id}/unload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has the replicas of a model ended. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description what clients call the model */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["WhereBody"];
                };
            };
            responses: {
                /** @description its replicas take no new turns and end */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such model, or no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/models/{id}/unpin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes that back. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description what clients call the model */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["WhereBody"];
                };
            };
            responses: {
                /** @description what the configuration pins stays pinned */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such model, or no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the member does not host models */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the members, this machine first. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `nodes`: id, name, role, state, path, memory, models and replicas of each */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/nodes/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One member. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the member's id or name */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description its entry of the list */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Takes a member out of the cluster, at once and for good: its certificate is worth nothing any more. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the member's id or name */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is no member any more; it comes back with a new token alone */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description another gateway holds the authority */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/nodes/{id}/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has a member hand its turns over and take no new ones. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the member's id or name */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description its entry of the list; it drains */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/nodes/{id}/rename": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a member another name. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the member's id or name */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RenameBody"];
                };
            };
            responses: {
                /** @description its entry of the list, under its new name */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description a name that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description another gateway holds the authority */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/nodes/{id}/undrain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a member that drained take turns again. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the member's id or name */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description its entry of the list; it takes turns */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such member */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/notifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists notices, the newest first. */
        get: {
            parameters: {
                query?: {
                    /** @description notices; 100 when left out */
                    limit?: number;
                    /** @description true: only those that nobody has acknowledged */
                    open?: boolean;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `notifications`: id, time, kind, severity, node, model, message, repeats and who acknowledged each */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description a parameter that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the store cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/notifications/{id}/ack": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says that somebody has seen to a notice. A second time changes nothing. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the notice's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the notice, with who acknowledged it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id that is none */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such notice */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the store cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/policy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The rules that this gateway runs with. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `restart`, `hosts` (models, memory, loading, idle time, pins, wanted replicas), `access` (names and origins) and `addresses` (where else the cluster is reached) */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The state of the gateway and of every replica. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description version, turns, clients and every replica with its state */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the tokens that may still be used. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `tokens`: id, role, name, expiry and uses left of each, without its secret */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Makes a token. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["TokenBody"];
                };
            };
            responses: {
                /** @description `token`, shown this once, with its `id`, `expires_unix_ms` and the `addresses` in it */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description a value out of its range */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description another gateway holds the authority */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes a token back; who joined with it stays. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the token's id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description nobody joins with it any more */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id or a body that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such token */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/turns/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a turn that runs, whoever asked for it. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the turn's id, as `/admin/fleet` has it */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is being ended; its client hears that it was cancelled */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description an id that is none */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such turn runs at this gateway */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** 200 for as long as the process answers at all. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the process lives */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All metrics of this gateway and its fleet, in Prometheus' text format, or OpenMetrics where that is accepted. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Prometheus text; needs no key from the same machine */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": unknown;
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the OpenAPI description of this server */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** 200 when a turn would find a ready replica. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description turns are welcome */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description why not yet, or no more */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers one message. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description a repeated request with the same key asks nothing twice and gets the same answer */
                    "idempotency-key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PlainRequest"];
                };
            };
            responses: {
                /** @description the answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["PlainAnswer"];
                    };
                };
                /** @description no such session, or somebody else's; no such model */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the answer could not be made */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers a conversation. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description `resumed`: a stream says when a turn goes on at another node, as `event: pomona.resumed` with `index`, `shown`, `cause` and `node` */
                    "x-pomona-events"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChatRequest"];
                };
            };
            responses: {
                /** @description the answer; with `stream` as server-sent events, ended by `data: [DONE]`; a stream whose turn goes on at another node says so with `event: pomona.resumed` when asked */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                        "text/event-stream": unknown;
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the answer could not be made */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Opens a WebSocket on which many turns can run. */
        get: {
            parameters: {
                query?: {
                    /** @description `resumed`: says when a turn goes on at another node */
                    events?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description JSON messages: `start`, `cancel` and `ping` from the client; `accepted`, `queued`, `started`, `resumed` (when asked for), `token`, `finished`, `failed`, `error` and `pong` from the server */
                101: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no WebSocket handshake, or no key */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Goes on with a text. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description `resumed`: a stream says when a turn goes on at another node, as `event: pomona.resumed` with `index`, `shown`, `cause` and `node` */
                    "x-pomona-events"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CompletionRequest"];
                };
            };
            responses: {
                /** @description the text; with `stream` as server-sent events, ended by `data: [DONE]`; a stream whose turn goes on at another node says so with `event: pomona.resumed` when asked */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                        "text/event-stream": unknown;
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the answer could not be made */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/embeddings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Embeds texts. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["EmbeddingRequest"];
                };
            };
            responses: {
                /** @description the vectors */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EmbeddingList"];
                    };
                };
                /** @description the request cannot be served, for one because the model makes no embeddings */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the vectors could not be made */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers a conversation. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description taken and not looked at */
                    "anthropic-version"?: string | null;
                    /** @description the turn goes on without the client, and a repeated request with the same key is answered with the same message */
                    "idempotency-key"?: string | null;
                    /** @description with an idempotency key: leaves out the events of the stream up to this `id` */
                    "last-event-id"?: number | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MessageRequest"];
                };
            };
            responses: {
                /** @description the message; with `stream` as server-sent events */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MessageBody"];
                        "text/event-stream": unknown;
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RefusalBody"];
                    };
                };
                /** @description the answer could not be made */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RefusalBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/messages/count_tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Counts the tokens of a conversation. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CountRequest"];
                };
            };
            responses: {
                /** @description how many tokens the prompt has */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TokenCount"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RefusalBody"];
                    };
                };
                /** @description the tokens could not be counted */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RefusalBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the models that can be asked. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description OpenAI's model list; each entry has its capability card under `pomona` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One model. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description what clients call the model */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the entry of the model list */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such model */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers a question as a response. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description the response goes on without the client, and a repeated request with the same key is answered with the same response */
                    "idempotency-key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ResponseRequest"];
                };
            };
            responses: {
                /** @description the response; with `stream` as server-sent events with sequence numbers, which `GET /v1/responses/{id}?stream=true&starting_after=N` sends again */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ResponseObject"];
                        "text/event-stream": unknown;
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the answer could not be made */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a response, or streams it from any number on, whether it runs still or has ended. */
        get: {
            parameters: {
                query?: {
                    /** @description answers with the stream */
                    stream?: boolean;
                    /** @description leaves out events up to this `sequence_number` */
                    starting_after?: number;
                };
                header?: never;
                path: {
                    /** @description `resp_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the response, or its stream */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ResponseObject"];
                        "text/event-stream": unknown;
                    };
                };
                /** @description there is no such response, or the number is none of it */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be reached */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Deletes a response with its session. One of several of a conversation stays: the others are answers to it. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description `resp_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is gone */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Deleted"];
                    };
                };
                /** @description it is one of several of a conversation */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description there is no such response, or it is not the key's to delete */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be reached */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a response; one that has ended is answered as it is. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description `resp_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ResponseObject"];
                    };
                };
                /** @description there is no such response, or it is not the key's to cancel */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be reached */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{id}/input_items": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists what a response was asked, without what stood before in its conversation. */
        get: {
            parameters: {
                query?: {
                    /** @description items on a page, 1 to 100; 20 when left out */
                    limit?: number;
                    /** @description `asc` or `desc`; `desc` when left out */
                    order?: string;
                    /** @description id of the item behind which to go on */
                    after?: string;
                };
                header?: never;
                path: {
                    /** @description `resp_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the items */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ItemPage"];
                    };
                };
                /** @description there is no such response, or a parameter is wrong */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be reached */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists what the asking key did, the oldest first. */
        get: {
            parameters: {
                query?: {
                    /** @description the last line that the client has, 0 for none */
                    after?: number;
                    /** @description lines; 100 when left out */
                    limit?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `lines`: number, at, by, action, object, detail and hash of each; `next` when there may be more */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description a parameter that cannot be taken */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the store cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells many sessions as they go on.
         * @description Each event has `event:` (its type) and `data:` (an envelope, see docs/schema/event.v3.json); those of a log have the
         *     cursors of all sessions as `id:`, so that a browser goes on everywhere where it was. The stream ends when every session
         *     was cut.
         */
        get: {
            parameters: {
                query: {
                    /** @description sessions, with commas between, up to 256 */
                    topics: string;
                    /** @description for each of them the last number that the client has, with commas between; 0 for all when left out */
                    cursors?: string;
                    /** @description what the others are to call this client, up to 64 bytes */
                    name?: string;
                    /** @description gathers tokens for this long; browsers get session.coalesce_ms when they say nothing */
                    coalesce_ms?: number;
                };
                header?: {
                    /** @description `ses_…:12,ses_…:3`: goes before the cursors */
                    "last-event-id"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description server-sent events; begins with `retry: 1000` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": unknown;
                    };
                };
                /** @description no topics, no session id, no cursor, or a cursor behind the end of a log (`cursor_ahead`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description a cursor lies before what is kept (`cursor_gone`) */
                410: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description a session cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whose key or cookie a request showed. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description id, name and role of the key, and whom it asked */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Me"];
                    };
                };
                /** @description no key and no cookie, or one that is not valid here */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/prometheus/sd": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the gateways that answer. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a list of `targets` and `labels`, one per gateway: `__scheme__`, `__meta_pomona_node`, `__meta_pomona_id` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists sessions, those with the newest event first. Everything that is asked for must hold. */
        get: {
            parameters: {
                query?: {
                    /** @description words that all stand in the title, the questions or the answers */
                    text?: string;
                    /** @description a part of the title, in any case */
                    title?: string;
                    /** @description the model, exactly */
                    model?: string;
                    /** @description a tag, exactly */
                    tag?: string;
                    /** @description `next` of the page before */
                    cursor?: string;
                    /** @description sessions on a page; 50 when left out */
                    limit?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description `sessions`, and `next` when there are more */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description a parameter that cannot be taken */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the store cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Makes a session. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description a repeated request with the same key answers with the same session */
                    "idempotency-key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["NewSession"];
                };
            };
            responses: {
                /** @description the session that the same key made before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description the session */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description the session cannot be made like this */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be made now; without a model in the body, none may be served yet */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a session from a file. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description a repeated request with the same key answers with the same session */
                    "idempotency-key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Export"];
                };
            };
            responses: {
                /** @description the session that the same key made before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description the session */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description this is no session of a known format, or one beyond a limit */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be made now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One session with all its turns. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the session */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Deletes a session with everything that was said in it, for good. Its owner's alone. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description it is gone */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description it is somebody else's, who shares it */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be deleted now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        /** Changes a session; what is left out stays. */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Change"];
                };
            };
            responses: {
                /** @description the session as it is now */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id, or a value that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session may be read alone, or this change is its owner's */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the log does not end at `expected_seq` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be written now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v3/sessions/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a turn, or the one that runs; those that wait stay. Also done when the turn has ended already. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Turn"];
                };
            };
            responses: {
                /** @description it ends, or has ended; `turn.finished` says so in the log */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id, or no turn id */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session may be read alone */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session or turn, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the turn cannot be cancelled now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}/choose": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes the branch that ends with a turn the active one. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["ChosenTurn"];
                };
            };
            responses: {
                /** @description it is the active one */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id, or no turn id */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session may be read alone */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session or turn, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be written now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}/edit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks something else in place of a turn, on a branch of its own. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description as the field `idempotency_key` */
                    "idempotency-key"?: string | null;
                };
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Ask"];
                };
            };
            responses: {
                /** @description the same key asked this before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description the turn was accepted and will be answered */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id, or a value that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session may be read alone */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session or turn, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the log does not end at `expected_seq` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the idempotency key was used for something else */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many turns of this session wait */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the turn cannot be accepted now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells a session as it goes on.
         * @description Each event has `event:` (its type) and `data:` (an envelope, see docs/schema/event.v3.json); those of the log have
         *     their number as `id:`. The last one is always `cut`; a client that wants more asks again with the last number that it
         *     has.
         */
        get: {
            parameters: {
                query?: {
                    /** @description the last number that the client has, 0 for none */
                    after?: number;
                    /** @description what the others are to call this client, up to 64 bytes */
                    name?: string;
                    /** @description gathers tokens for this long; browsers get session.coalesce_ms when they say nothing */
                    coalesce_ms?: number;
                };
                header?: {
                    /** @description as `after`, and goes before it */
                    "last-event-id"?: string | null;
                };
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description server-sent events; begins with `retry: 1000` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": unknown;
                    };
                };
                /** @description no session id, no cursor, or a cursor behind the end of the log (`cursor_ahead`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the cursor lies before what is kept (`cursor_gone`); the header x-pomona-oldest-seq has the oldest number that can be read */
                410: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A session as a file: its active branch, with the answers. */
        get: {
            parameters: {
                query?: {
                    /** @description `json` (when left out), which can be imported again, or `md`, for reading */
                    format?: string;
                };
                header?: never;
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the file */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                        "text/markdown": string;
                    };
                };
                /** @description no session id, or no such format */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be read now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}/fork": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a session that goes on where another one was. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description a repeated request with the same key answers with the same session */
                    "idempotency-key"?: string | null;
                };
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Fork"];
                };
            };
            responses: {
                /** @description the session that the same key made before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description the new session, which is the asker's own */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id, or a value that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session or turn, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session cannot be made now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}/regenerate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers the question of a turn once more, on a branch of its own. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description as the field `idempotency_key` */
                    "idempotency-key"?: string | null;
                };
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Ask"];
                };
            };
            responses: {
                /** @description the same key asked this before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description the turn was accepted and will be answered */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id, or a value that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session may be read alone */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session or turn, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the log does not end at `expected_seq` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the idempotency key was used for something else */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many turns of this session wait */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the turn cannot be accepted now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sessions/{id}/turns": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks something. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description as the field `idempotency_key` */
                    "idempotency-key"?: string | null;
                };
                path: {
                    /** @description the session: `ses_` and 32 hex digits */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Ask"];
                };
            };
            responses: {
                /** @description the same key asked this before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description the turn was accepted and will be answered */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                /** @description no session id, or a value that cannot be taken */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the session may be read alone */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description no such session or turn, or somebody else's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the log does not end at `expected_seq` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the idempotency key was used for something else */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many turns of this session wait */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the request cannot be served */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the turn cannot be accepted now */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sign-in": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Signs a browser in. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SignIn"];
                };
            };
            responses: {
                /** @description signed in; the cookie is set */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description neither a key nor a code, or both */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description `invalid_api_key`, or `code_invalid`: used, old or never given */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body did not come in time */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description the body is not `application/json` */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sign-in/link": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a link that signs one browser in as whoever asks. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the path of the link, and for how long it works */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Link"];
                    };
                };
                /** @description no key, or a wrong one */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/sign-out": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes the cookie away. What the browser had no longer works. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description signed out */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v3/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Opens a WebSocket for many sessions. */
        get: {
            parameters: {
                query?: never;
                header?: {
                    /** @description `pomona.v3`; browsers add `pomona.bearer.<key>` */
                    "sec-websocket-protocol"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description JSON messages: `attach`, `detach`, `submit`, `cancel`, `typing` and `ping` from the client, each with an optional `ref`; `reply`, `error`, `pong` and envelopes (docs/schema/event.v3.json) from the server */
                101: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description no WebSocket handshake, or no key */
                "4XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
                /** @description too many requests run already */
                "5XX": {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Where a picture is: `data:image/png;base64,…`, since nothing is fetched. */
        Address: string | {
            /** @description The address. */
            url: string;
        };
        Ask: {
            effort?: null | ("low" | "medium" | "high");
            expected_seq?: null | components["schemas"]["Seq"];
            idempotency_key?: null | components["schemas"]["Key"];
            /** @description what is asked: a text, or messages; left out by /regenerate */
            input?: null | string | components["schemas"]["SessionMessage"][];
            model?: null | components["schemas"]["Model"];
            parallel_tool_calls?: boolean | null;
            parent?: null | components["schemas"]["TurnName"];
            response_format?: null | components["schemas"]["SessionFormat"];
            sampling?: null | components["schemas"]["Sampling"];
            seed?: null | components["schemas"]["Seed"];
            system?: string | null;
            /** @description whether the model thinks first; its own way when left out */
            thinking?: boolean | null;
            /** @description auto, none, required, or the one tool that must be called */
            tool_choice?: null | ("auto" | "none" | "required") | {
                name: components["schemas"]["ToolName"];
            };
            tools?: components["schemas"]["SessionTool"][];
            turn?: null | components["schemas"]["TurnName"];
        };
        /** @description A block of content. */
        Block: {
            /** @description `tool_result`: what the tool gave, texts and pictures. */
            content?: Record<string, never> | null;
            /** @description `tool_use`: the name of the call. */
            id?: string | null;
            /** @description `tool_use`: its arguments. */
            input?: Record<string, never> | null;
            /** @description `tool_result`: whether the tool failed. */
            is_error?: boolean | null;
            /** @description `tool_use`: the tool. */
            name?: string | null;
            source?: null | components["schemas"]["Source"];
            /** @description `text`: the text. */
            text?: string | null;
            /** @description `thinking`: the thoughts. */
            thinking?: string | null;
            /** @description `tool_result`: the call that this answers. */
            tool_use_id?: string | null;
            /** @description `text`, `image`, `tool_use`, `tool_result`, `thinking` or `redacted_thinking`. */
            type: string;
        };
        /** @description A call that the model made. */
        CallGiven: {
            function: components["schemas"]["FunctionGiven"];
            /** @description Its name, as the answer had it. */
            id: string;
            /** @description `function`. */
            type?: string | null;
        };
        /** @description A call. */
        CallItem: {
            /** @description A JSON object as text. */
            arguments: string;
            /** @description What its result names. */
            call_id: string;
            id: string;
            name: string;
            /** @description `in_progress`, `completed` or `incomplete`. */
            status: string;
            type: string;
        };
        /** @description what is left out stays; null takes system and seed away */
        Change: {
            context?: null | components["schemas"]["Context"];
            expected_seq?: null | components["schemas"]["Seq"];
            model?: null | components["schemas"]["Model"];
            sampling?: null | components["schemas"]["Sampling"];
            seed?: null | components["schemas"]["Seed"];
            /** @description who may do what, by key id (key_ and 16 hex digits); its owner's */
            shared?: {
                [key: string]: "read" | "write";
            } | null;
            system?: string | null;
            tags?: null | components["schemas"]["Tags"];
            title?: null | components["schemas"]["Title"];
        };
        /** @description One message of a conversation. */
        ChatMessage: {
            content?: null | components["schemas"]["Content"];
            /** @description `assistant`: the same, in other words. */
            reasoning?: string | null;
            /** @description `assistant`: what it thought before it answered. */
            reasoning_content?: string | null;
            /** @description `system`, `developer`, `user`, `assistant` or `tool`. */
            role: string;
            /** @description `tool`: the call that this answers. */
            tool_call_id?: string | null;
            /** @description `assistant`: the calls that it made. */
            tool_calls?: components["schemas"]["CallGiven"][] | null;
        };
        /** @description A question to a model. Unknown fields are ignored. */
        ChatRequest: {
            chat_template_kwargs?: null | components["schemas"]["TemplateWords"];
            /**
             * Format: double
             * @description -2 to 2: taken from a token for each time it stands in the answer.
             */
            frequency_penalty?: number | null;
            /** @description The older way of `tools`, not supported; must be empty. */
            functions?: Record<string, never>[] | null;
            /** @description As `structured_outputs.choice`. */
            guided_choice?: string[] | null;
            /** @description As `structured_outputs.grammar`. */
            guided_grammar?: string | null;
            /** @description As `structured_outputs.json`. */
            guided_json?: Record<string, never> | null;
            /** @description As `structured_outputs.regex`. */
            guided_regex?: string | null;
            /** @description Goes on past the end of text; for benchmarks. */
            ignore_eos?: boolean | null;
            /** @description Added to the logits of tokens, -100 to 100 each, by token id. */
            logit_bias?: {
                [key: string]: number;
            } | null;
            /** @description Reports how likely each token was. */
            logprobs?: boolean | null;
            /**
             * Format: int64
             * @description Longest answer, in tokens; goes before `max_tokens`.
             */
            max_completion_tokens?: number | null;
            /**
             * Format: int64
             * @description Longest answer, in tokens.
             */
            max_tokens?: number | null;
            /** @description The conversation so far, at least one message. */
            messages: components["schemas"]["ChatMessage"][];
            /**
             * Format: double
             * @description 0 to 1: drops tokens less likely than this share of the likeliest.
             */
            min_p?: number | null;
            /** @description Which model; `GET /v1/models` lists them. */
            model: string;
            /**
             * Format: int64
             * @description How many answers; each draws from the seed after the one before.
             */
            n?: number | null;
            /** @description Whether an answer may hold several calls; true when left out. */
            parallel_tool_calls?: boolean | null;
            /**
             * Format: double
             * @description -2 to 2: taken once from tokens that stand in the answer.
             */
            presence_penalty?: number | null;
            /** @description `none`, `minimal`, `low`, `medium` or `high`: how much the model thinks, where it can be told. */
            reasoning_effort?: string | null;
            /**
             * Format: double
             * @description Above 0, to 10; 1 changes nothing.
             */
            repetition_penalty?: number | null;
            response_format?: null | components["schemas"]["FormatAsked"];
            /**
             * Format: int64
             * @description The same seed gives the same answer.
             */
            seed?: number | null;
            stop?: null | components["schemas"]["Stop"];
            /** @description Answers token by token, as server-sent events. */
            stream?: boolean | null;
            stream_options?: null | components["schemas"]["StreamOptions"];
            structured_outputs?: null | components["schemas"]["StructuredOutputs"];
            /**
             * Format: double
             * @description 0 to 2; 0 takes the likeliest token.
             */
            temperature?: number | null;
            tool_choice?: null | components["schemas"]["ChoiceAsked"];
            /** @description Functions that the model may call, at most 128. */
            tools?: components["schemas"]["ToolAsked"][] | null;
            /**
             * Format: int64
             * @description The likeliest tokens, by number; 0 and -1 mean all.
             */
            top_k?: number | null;
            /**
             * Format: int64
             * @description Reports this many alternatives for each token, 0 to 20; needs `logprobs`.
             */
            top_logprobs?: number | null;
            /**
             * Format: double
             * @description Above 0, to 1: the likeliest tokens with at least this mass.
             */
            top_p?: number | null;
        };
        /** @description Whether the model may or must call a tool. */
        ChoiceAsked: {
            /** @description Whether an answer may hold one call alone. */
            disable_parallel_tool_use?: boolean | null;
            /** @description The tool that must be called. */
            name?: string | null;
            /** @description `auto`, `any`, `none`, or `tool` with a name. */
            type: string;
        };
        ChosenTurn: {
            turn: components["schemas"]["TurnName"];
        };
        /** @description A text to go on with. Unknown fields are ignored. */
        CompletionRequest: {
            /**
             * Format: int64
             * @description Must equal `n`.
             */
            best_of?: number | null;
            /** @description Not supported; must be false. */
            echo?: boolean | null;
            /**
             * Format: double
             * @description -2 to 2: taken from a token for each time it stands in the answer.
             */
            frequency_penalty?: number | null;
            /** @description Goes on past the end of text; for benchmarks. */
            ignore_eos?: boolean | null;
            /** @description Added to the logits of tokens, -100 to 100 each, by token id. */
            logit_bias?: {
                [key: string]: number;
            } | null;
            /**
             * Format: int64
             * @description Reports how likely each token and this many alternatives were, 0 to 5.
             */
            logprobs?: number | null;
            /**
             * Format: int64
             * @description Longest answer, in tokens.
             */
            max_tokens?: number | null;
            /**
             * Format: double
             * @description 0 to 1: drops tokens less likely than this share of the likeliest.
             */
            min_p?: number | null;
            /** @description Which model; `GET /v1/models` lists them. */
            model: string;
            /**
             * Format: int64
             * @description How many answers; each draws from the seed after the one before.
             */
            n?: number | null;
            /**
             * Format: double
             * @description -2 to 2: taken once from tokens that stand in the answer.
             */
            presence_penalty?: number | null;
            /** @description The text, several texts, or token ids. */
            prompt: components["schemas"]["Prompt"];
            /**
             * Format: double
             * @description Above 0, to 10; 1 changes nothing.
             */
            repetition_penalty?: number | null;
            /**
             * Format: int64
             * @description The same seed gives the same answer.
             */
            seed?: number | null;
            stop?: null | components["schemas"]["Stop"];
            /** @description Answers token by token, as server-sent events. */
            stream?: boolean | null;
            stream_options?: null | components["schemas"]["StreamOptions"];
            /** @description Not supported; must be empty. */
            suffix?: string | null;
            /**
             * Format: double
             * @description 0 to 2; 0 takes the likeliest token.
             */
            temperature?: number | null;
            /**
             * Format: int64
             * @description The likeliest tokens, by number; 0 and -1 mean all.
             */
            top_k?: number | null;
            /**
             * Format: double
             * @description Above 0, to 1: the likeliest tokens with at least this mass.
             */
            top_p?: number | null;
        };
        /** @description Text, or a list of blocks. */
        Content: string | components["schemas"]["Block"][];
        /** @description A part of an answer. */
        ContentBlock: {
            /** @description The text. */
            text: string;
            /** @enum {string} */
            type: "text";
        } | {
            /** @description Always empty. */
            signature: string;
            /** @description The thoughts. */
            thinking: string;
            /** @enum {string} */
            type: "thinking";
        } | {
            /** @description The name of the call, which its result repeats. */
            id: string;
            /** @description Its arguments. */
            input: Record<string, never>;
            /** @description The tool. */
            name: string;
            /** @enum {string} */
            type: "tool_use";
        };
        /** @description A part of a message. */
        ContentPart: {
            /** @description The picture: `data:image/png;base64,…`, since nothing is fetched. */
            image_url?: string | null;
            /** @description The text. */
            text?: string | null;
            /** @description `input_text`, `input_image`, `output_text` for what the model said, `reasoning_text` for what it thought. */
            type: string;
        };
        /**
         * @description what happens when the conversation outgrows the context of its model
         * @enum {string}
         */
        Context: "refuse" | "drop_oldest";
        /** @description A conversation to count. Unknown fields are ignored. */
        CountRequest: {
            /** @description The conversation so far, at least one message. */
            messages: components["schemas"]["InputMessage"][];
            /** @description Which model; `GET /v1/models` lists them. */
            model: string;
            system?: null | components["schemas"]["Content"];
            thinking?: null | components["schemas"]["ThinkingAsked"];
            tool_choice?: null | components["schemas"]["ChoiceAsked"];
            /** @description Tools that the model may call, at most 128; they are a part of the prompt. */
            tools?: components["schemas"]["ToolAsked"][] | null;
        };
        /** @description What is said of a response that was deleted. */
        Deleted: {
            deleted: boolean;
            id: string;
            object: string;
        };
        /** @description What is to be taken. */
        DownloadBody: {
            /** @description Which file of it, with `*` and `?`; what the repository is for when absent. */
            file?: string | null;
            /** @description What clients are to call the model. */
            name?: string | null;
            /** @description `owner/name` or `owner/name@revision`. */
            repo: string;
        };
        /** @description One vector. */
        EmbeddingBody: {
            embedding: components["schemas"]["Vector"];
            /** @description Which input. */
            index: number;
            /** @description `embedding`. */
            object: string;
        };
        /** @description What is embedded. */
        EmbeddingInput: string | number[] | string[] | number[][];
        /** @description The vectors. */
        EmbeddingList: {
            /** @description One for each input, in their order. */
            data: components["schemas"]["EmbeddingBody"][];
            model: string;
            /** @description `list`. */
            object: string;
            usage: components["schemas"]["EmbeddingUsage"];
        };
        /** @description Texts to embed. Unknown fields are ignored. */
        EmbeddingRequest: {
            /**
             * Format: int64
             * @description Numbers wanted per vector, where the model allows fewer than it has.
             */
            dimensions?: number | null;
            /** @description `float` or `base64`: 32-bit floats, the lowest byte first. */
            encoding_format?: string | null;
            /** @description A text, texts, or token ids; at most 2048 inputs, none of them empty. */
            input: components["schemas"]["EmbeddingInput"];
            /** @description Which model; `GET /v1/models` lists them. */
            model: string;
        };
        /** @description Tokens used. */
        EmbeddingUsage: {
            /** Format: int32 */
            prompt_tokens: number;
            /** Format: int32 */
            total_tokens: number;
        };
        /** @description OpenAI's `{"error": …}`. */
        ErrorBody: {
            error: components["schemas"]["ErrorDetail"];
        };
        /** @description What went wrong. */
        ErrorDetail: {
            /** @description The stable name of the error. */
            code: string;
            /** @description For people: names the thing, the value and the allowed range. */
            message: string;
            /** @description The field that is wrong, when it is one. */
            param?: string | null;
            /** @description The family of the error, `invalid_request_error` for instance. */
            type: string;
        };
        Export: {
            /** @enum {string} */
            format: "pomona.session.v3";
            model: components["schemas"]["Model"];
            system?: string | null;
            tags?: components["schemas"]["Tags"];
            title: components["schemas"]["Title"];
            turns: {
                answer: string;
                input: components["schemas"]["SessionMessage"][];
                marks?: components["schemas"]["Marks"];
                model: components["schemas"]["Model"];
                usage?: {
                    cached_tokens: number;
                    completion_tokens: number;
                    prompt_tokens: number;
                };
            }[];
        };
        /** @description Why a response failed. */
        Failure: {
            /** @description One of OpenAI's words: `server_error`, `rate_limit_exceeded` or `invalid_prompt`. */
            code: string;
            /** @description For people. */
            message: string;
            /** @description The stable name of the cause. */
            type: string;
        };
        Fork: {
            title?: null | components["schemas"]["Title"];
            turn?: null | components["schemas"]["TurnName"];
        };
        /** @description What the answer must be, as OpenAI's clients write it. */
        FormatAsked: {
            json_schema?: null | components["schemas"]["SchemaAsked"];
            /** @description The schema, as the Responses API has it. */
            schema?: Record<string, never> | null;
            /** @description `text`, `json_object` or `json_schema`. */
            type: string;
        };
        /** @description A function that the model may call, as OpenAI's clients write it. */
        Function: {
            /** @description What it does, for the model. */
            description?: string | null;
            /** @description Letters, digits, `_`, `-` and `.`. */
            name: string;
            /** @description JSON schema of its arguments. */
            parameters?: Record<string, never> | null;
            /** @description Whether arguments must fit the schema while they are written. */
            strict?: boolean | null;
        };
        /** @description What is called. */
        FunctionGiven: {
            /** @description A JSON object as text. */
            arguments: string;
            name: string;
        };
        /** @description The name of a function. */
        FunctionName: {
            name: string;
        };
        IncompleteDetails: {
            reason: string;
        };
        /** @description What is asked. */
        Input: string | components["schemas"]["InputItem"][];
        InputDetails: {
            /** Format: int32 */
            cache_write_tokens: number;
            /**
             * Format: int32
             * @description Tokens that needed no work, since their KV was known.
             */
            cached_tokens: number;
        };
        /** @description One item of an input. */
        InputItem: {
            /** @description Calls: a JSON object as text. */
            arguments?: string | null;
            /** @description Calls and their results: the call. */
            call_id?: string | null;
            content?: null | components["schemas"]["Content"];
            /** @description Calls: the function. */
            name?: string | null;
            output?: null | components["schemas"]["Content"];
            /** @description Messages: `user`, `assistant`, `system` or `developer`. */
            role?: string | null;
            /** @description `message`, which may be left out, `function_call`, `function_call_output` or `reasoning`. */
            type?: string | null;
        };
        /** @description One message. */
        InputMessage: {
            /** @description What is said. */
            content: components["schemas"]["Content"];
            /** @description `user`, `assistant` or `system`. */
            role: string;
        };
        /** @description A page of what a response was asked. */
        ItemPage: {
            /** @description The items. */
            data: components["schemas"]["ListedItem"][];
            first_id?: string | null;
            /** @description Whether there are more behind `last_id`. */
            has_more: boolean;
            last_id?: string | null;
            /** @description `list`. */
            object: string;
        };
        /** @description a repeated request with the same key asks nothing twice */
        Key: string;
        /** @description A link that signs one browser in. */
        Link: {
            /**
             * Format: int64
             * @description Seconds for which it works.
             */
            expires_in_s: number;
            /** @description Path on this gateway; the code in it works once. */
            path: string;
        };
        /** @description An item of an input, as it is listed. */
        ListedItem: Record<string, never> & {
            id: string;
        };
        /** @description what of an answer is not plain text: from byte `at` on it is of this kind, up to the next mark */
        Marks: {
            at: number;
            index?: number | null;
            /** @enum {string} */
            kind: "text" | "reasoning" | "call";
            name?: string | null;
        }[];
        /** @description Whose browser or program this is. */
        Me: {
            cluster: string;
            /** @description What people call that machine. */
            gateway: string;
            /** @description Id of the key. */
            key: string;
            /** @description What to call whoever has it. */
            name: string;
            /** @description Id of the gateway's machine. */
            node: string;
            /** @description What it may do. Every key may do everything today. */
            role: string;
            version: string;
        };
        /** @description An answer. */
        MessageBody: {
            /** @description The answer: text, thoughts, calls of tools. */
            content: components["schemas"]["ContentBlock"][];
            /** @description `msg_` and 32 hex digits. */
            id: string;
            /** @description Which model answers. */
            model: string;
            /** @description `assistant`. */
            role: string;
            /** @description `end_turn`, `max_tokens`, `stop_sequence` or `tool_use`. */
            stop_reason?: string | null;
            /** @description The stop sequence that was met. */
            stop_sequence?: string | null;
            /** @description `message`. */
            type: string;
            usage: components["schemas"]["MessageUsage"];
        };
        /** @description A conversation to answer. Unknown fields are ignored. */
        MessageRequest: {
            /**
             * Format: int64
             * @description Longest answer, in tokens.
             */
            max_tokens: number;
            /** @description The conversation so far, at least one message. */
            messages: components["schemas"]["InputMessage"][];
            /** @description Which model; `GET /v1/models` lists them. */
            model: string;
            /** @description Texts that end the answer. */
            stop_sequences?: string[] | null;
            /** @description Answers as server-sent events. */
            stream?: boolean | null;
            system?: null | components["schemas"]["Content"];
            /**
             * Format: double
             * @description 0 to 2; 0 takes the likeliest token.
             */
            temperature?: number | null;
            thinking?: null | components["schemas"]["ThinkingAsked"];
            tool_choice?: null | components["schemas"]["ChoiceAsked"];
            /** @description Tools that the model may call, at most 128. */
            tools?: components["schemas"]["ToolAsked"][] | null;
            /**
             * Format: int64
             * @description The likeliest tokens, by number; 0 means all.
             */
            top_k?: number | null;
            /**
             * Format: double
             * @description Above 0, to 1: the likeliest tokens with at least this mass.
             */
            top_p?: number | null;
        };
        /** @description Tokens used, as Anthropic counts them: a token of the prompt counts once, as read from the cache or as input. */
        MessageUsage: {
            /** Format: int32 */
            cache_creation_input_tokens: number;
            /** Format: int32 */
            cache_read_input_tokens: number;
            /** Format: int32 */
            input_tokens: number;
            /** Format: int32 */
            output_tokens: number;
        };
        /** @description what clients call the model; it need not be loaded */
        Model: string;
        /** @description The tool that must be called. */
        NamedTool: {
            function?: null | components["schemas"]["FunctionName"];
            /** @description Its name, as the Responses API has it. */
            name?: string | null;
            /** @description `function`. */
            type: string;
        };
        NewSession: {
            context?: null | components["schemas"]["Context"];
            model?: null | components["schemas"]["Model"];
            sampling?: null | components["schemas"]["Sampling"];
            seed?: null | components["schemas"]["Seed"];
            system?: string | null;
            tags?: components["schemas"]["Tags"];
            title?: null | components["schemas"]["Title"];
        };
        OutputDetails: {
            /** Format: int32 */
            reasoning_tokens: number;
        };
        /** @description An item of an output. */
        OutputItem: components["schemas"]["OutputMessage"] | components["schemas"]["ReasoningItem"] | components["schemas"]["CallItem"];
        /** @description A message. */
        OutputMessage: {
            content: components["schemas"]["TextPart"][];
            id: string;
            role: string;
            /** @description `in_progress`, `completed` or `incomplete`. */
            status: string;
            type: string;
        };
        /** @description The text of a message. */
        OutputText: {
            annotations: Record<string, never>[];
            logprobs: Record<string, never>[];
            text: string;
            type: string;
        };
        /** @description A response in protocol v3. */
        Place: {
            session: string;
            turn: string;
        };
        /** @description What is answered. */
        PlainAnswer: {
            /** @description The whole answer, without what was thought before it. */
            answer: string;
            /** @description Which model answered. */
            model: string;
            /** @description The conversation. */
            session: string;
            /** @description The turn. */
            turn: string;
        };
        /** @description What is said. */
        PlainRequest: {
            /** @description The message. */
            message: string;
            /** @description Which model answers; the session's when left out. */
            model?: string | null;
            /** @description The conversation; the key's own lasting one when left out. */
            session?: string | null;
        };
        /** @description A text, texts, or token ids. */
        Prompt: string | number[] | string[];
        Reasoning: {
            effort?: string | null;
            summary?: string | null;
        };
        /** @description Thoughts. */
        ReasoningItem: {
            content: components["schemas"]["TextPart"][];
            id: string;
            /** @description `in_progress`, `completed` or `incomplete`. */
            status: string;
            /** @description Always empty: thoughts are told as they are. */
            summary: Record<string, never>[];
            type: string;
        };
        /** @description How much the model thinks first. */
        ReasoningOptions: {
            /** @description `none`, `minimal`, `low`, `medium` or `high`. */
            effort?: string | null;
        };
        /** @description The text of thoughts. */
        ReasoningText: {
            text: string;
            type: string;
        };
        /** @description Anthropic's `{"type": "error", …}`. */
        RefusalBody: {
            error: components["schemas"]["RefusalDetail"];
            /** @description `error`. */
            type: string;
        };
        /** @description What went wrong. */
        RefusalDetail: {
            /** @description The stable name of the error. */
            code: string;
            /** @description For people: names the thing, the value and the allowed range. */
            message: string;
            /** @description The family of the error, `invalid_request_error` for instance. */
            type: string;
        };
        /** @description A member's new name. */
        RenameBody: {
            /** @description 1 to 64 bytes of printable text. */
            name: string;
        };
        /** @description OpenAI's response object. */
        ResponseObject: {
            /** @description Whether the client does not wait for it. */
            background: boolean;
            /**
             * Format: int64
             * @description Unix time in seconds, once it is complete.
             */
            completed_at?: number | null;
            /**
             * Format: int64
             * @description Unix time in seconds.
             */
            created_at: number;
            error?: null | components["schemas"]["Failure"];
            /** @description `resp_` and 32 hex digits. */
            id: string;
            incomplete_details?: null | components["schemas"]["IncompleteDetails"];
            /** @description What stood before the conversation. */
            instructions?: string | null;
            /**
             * Format: int32
             * @description Longest answer, in tokens.
             */
            max_output_tokens?: number | null;
            /** Format: int32 */
            max_tool_calls?: number | null;
            /** @description The client's own words. */
            metadata: {
                [key: string]: string;
            };
            /** @description Which model answers. */
            model: string;
            /** @description `response`. */
            object: string;
            /** @description The answer so far. */
            output: components["schemas"]["OutputItem"][];
            parallel_tool_calls: boolean;
            pomona?: null | components["schemas"]["Place"];
            /** @description The response that it follows. */
            previous_response_id?: string | null;
            reasoning: components["schemas"]["Reasoning"];
            service_tier: string;
            /** @description `queued`, `in_progress`, `completed`, `incomplete`, `failed` or `cancelled`. */
            status: string;
            /** @description Whether it can be retrieved. */
            store: boolean;
            /**
             * Format: float
             * @description As asked; `null` is the model's own.
             */
            temperature?: number | null;
            text: components["schemas"]["TextConfig"];
            /** @description As asked: a word, or an object that names a function. */
            tool_choice: unknown;
            /** @description As asked. */
            tools: Record<string, never>[];
            /** Format: int32 */
            top_logprobs: number;
            /**
             * Format: float
             * @description As asked; `null` is the model's own.
             */
            top_p?: number | null;
            /** @description `auto` or `disabled`. */
            truncation: string;
            usage?: null | components["schemas"]["ResponseUsage"];
            user?: string | null;
        };
        /** @description A question to a model. Unknown fields are ignored. */
        ResponseRequest: {
            /** @description Answers at once and goes on without the client; needs `store`. */
            background?: boolean | null;
            /** @description Not supported; `previous_response_id` does the same. */
            conversation?: Record<string, never> | null;
            /** @description `message.output_text.logprobs` is not supported yet; the rest is ignored. */
            include?: string[] | null;
            /** @description What is asked. */
            input: components["schemas"]["Input"];
            /** @description Stands before the conversation, for this response alone. */
            instructions?: string | null;
            /**
             * Format: int64
             * @description Longest answer, in tokens.
             */
            max_output_tokens?: number | null;
            /** @description The client's own words: up to 16 pairs. */
            metadata?: {
                [key: string]: string;
            } | null;
            /** @description Which model; `GET /v1/models` lists them. */
            model: string;
            /** @description Whether an answer may hold several calls; true when left out. */
            parallel_tool_calls?: boolean | null;
            /** @description The response that it follows. */
            previous_response_id?: string | null;
            /** @description Not supported. */
            prompt?: Record<string, never> | null;
            reasoning?: null | components["schemas"]["ReasoningOptions"];
            /** @description Keeps it, so that it can be retrieved and followed; true when left out. */
            store?: boolean | null;
            /** @description Answers as server-sent events. */
            stream?: boolean | null;
            /**
             * Format: double
             * @description 0 to 2; 0 takes the likeliest token.
             */
            temperature?: number | null;
            text?: null | components["schemas"]["TextOptions"];
            tool_choice?: null | components["schemas"]["ChoiceAsked"];
            /** @description Functions that the model may call, at most 128. */
            tools?: components["schemas"]["ToolAsked"][] | null;
            /**
             * Format: int64
             * @description Not supported yet; must be 0.
             */
            top_logprobs?: number | null;
            /**
             * Format: double
             * @description Above 0, to 1: the likeliest tokens with at least this mass.
             */
            top_p?: number | null;
            /** @description `auto` leaves out the oldest turns of a stored conversation that outgrows the context, `disabled` refuses it. */
            truncation?: string | null;
        };
        /** @description Tokens used, in the shape of responses. */
        ResponseUsage: {
            /** Format: int32 */
            input_tokens: number;
            input_tokens_details: components["schemas"]["InputDetails"];
            /** Format: int32 */
            output_tokens: number;
            output_tokens_details: components["schemas"]["OutputDetails"];
            /** Format: int32 */
            total_tokens: number;
        };
        /** @description how tokens are chosen; what is left out is the model's own */
        Sampling: {
            frequency_penalty?: number | null;
            max_tokens?: number | null;
            min_p?: number | null;
            presence_penalty?: number | null;
            repetition_penalty?: number | null;
            stop?: string[];
            temperature?: number | null;
            top_k?: number | null;
            top_p?: number | null;
        };
        /** @description A schema with its name. The answer fits it, whatever `strict` says. */
        SchemaAsked: {
            /** @description JSON schema; without it any JSON object fits. */
            schema?: Record<string, never> | null;
        };
        /** Format: int64 */
        Seed: number;
        /**
         * Format: int64
         * @description refuse with 409 unless the log ends here
         */
        Seq: number;
        /** @description what the text of the answer must be */
        SessionFormat: {
            /** @enum {string} */
            type: "text" | "json_object";
        } | {
            schema: Record<string, never>;
            /** @enum {string} */
            type: "json_schema";
        } | {
            regex: string;
            /** @enum {string} */
            type: "regex";
        } | {
            /** @description in the Lark syntax of llguidance */
            grammar: string;
            /** @enum {string} */
            type: "grammar";
        };
        SessionMessage: {
            /** @description a text, or parts where there is more than that */
            content: string | components["schemas"]["SessionPart"][];
            /** @enum {string} */
            role: "system" | "user" | "assistant" | "tool";
        };
        /** @description a part of a message: text, a picture, what a model thought, a call that it made, or which call a message of a tool answers */
        SessionPart: {
            text: string;
            /** @enum {string} */
            type: "text" | "reasoning";
        } | {
            /** @description its file in base64, at most 8 MiB of it, 16 pictures in a request */
            data: string;
            /** @enum {string} */
            media_type: "image/png" | "image/jpeg" | "image/webp" | "image/gif";
            /** @enum {string} */
            type: "image";
        } | {
            /** @description a JSON object as text */
            arguments: string;
            id: string;
            name: components["schemas"]["ToolName"];
            /** @enum {string} */
            type: "tool_call";
        } | {
            /** @description call_, the 32 hex digits of the turn, _ and the number of the call */
            call: string;
            /** @enum {string} */
            type: "answers";
        };
        SessionTool: {
            description?: string | null;
            name: components["schemas"]["ToolName"];
            /** @description JSON schema of its arguments */
            parameters?: Record<string, never> | null;
            /** @description whether arguments must fit the schema while they are written */
            strict?: boolean;
        };
        /** @description One of the two. */
        SignIn: {
            /** @description The code of a link. */
            code?: string | null;
            /** @description A key of this gateway. */
            key?: string | null;
        };
        /** @description A picture. */
        Source: {
            /** @description The file in base64. */
            data?: string | null;
            /** @description `image/png`, `image/jpeg`, `image/webp` or `image/gif`. */
            media_type?: string | null;
            /** @description `base64`, since nothing is fetched. */
            type?: string | null;
            /** @description Not fetched. */
            url?: string | null;
        };
        /** @description One text or several. */
        Stop: string | string[];
        /** @description What a streamed answer also carries. */
        StreamOptions: {
            /** @description Sends the tokens used in a last chunk. */
            include_usage?: boolean | null;
        };
        /** @description What the answer must be, in words beyond OpenAI's; at most one of them. */
        StructuredOutputs: {
            /** @description One of these texts. */
            choice?: string[] | null;
            /** @description A text of this grammar, in the Lark syntax of llguidance. */
            grammar?: string | null;
            /** @description JSON that fits this schema. */
            json?: Record<string, never> | null;
            /** @description A JSON object. */
            json_object?: boolean | null;
            /** @description A text that this regular expression matches whole. */
            regex?: string | null;
        };
        Tags: string[];
        /** @description Words for the template of a model; what is not known is ignored. */
        TemplateWords: {
            /** @description Whether the model thinks first. */
            enable_thinking?: boolean | null;
            /** @description The same, in other words. */
            thinking?: boolean | null;
        };
        TextConfig: {
            /** @description As asked. */
            format: Record<string, never>;
        };
        /** @description What the text of an answer must be. */
        TextOptions: {
            format?: null | components["schemas"]["FormatAsked"];
        };
        /** @description The text of an item. */
        TextPart: components["schemas"]["OutputText"] | components["schemas"]["ReasoningText"];
        /** @description Whether the model thinks first. */
        ThinkingAsked: {
            /** @description `enabled`, `disabled` or `adaptive`; its budget is not looked at. */
            type: string;
        };
        /** @description one line */
        Title: string;
        /** @description What a token is to allow. */
        TokenBody: {
            /** @description Name of the machine; its own host name when absent. */
            name?: string | null;
            /** @description What a machine becomes with it: `node` or `gateway`. */
            role: string;
            /**
             * Format: int64
             * @description Seconds until it expires.
             */
            ttl_s: number;
            /**
             * Format: int64
             * @description Machines that may join with it.
             */
            uses: number;
        };
        /** @description How long a prompt is. */
        TokenCount: {
            /** Format: int32 */
            input_tokens: number;
        };
        /** @description A tool that the client calls itself. */
        ToolAsked: {
            /** @description What it does, for the model. */
            description?: string | null;
            /** @description JSON schema of its arguments. */
            input_schema?: Record<string, never> | null;
            /** @description Letters, digits, `_`, `-` and `.`. */
            name: string;
            /** @description Whether arguments must fit the schema while they are written. */
            strict?: boolean | null;
            /** @description `custom`, which may be left out; tools of the server are not supported. */
            type?: string | null;
        };
        ToolName: string;
        Turn: {
            turn?: null | components["schemas"]["TurnName"];
        };
        TurnName: string;
        /** @description Numbers, or their bytes. */
        Vector: number[] | string;
        /** @description Where. An empty body means anywhere. */
        WhereBody: {
            /** @description Id or name of a member; when absent, the best place for a load and every place for an unload. */
            node?: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
