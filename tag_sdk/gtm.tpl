___INFO___

{
  "type": "TAG",
  "id": "cvt_temp_public_id",
  "version": 1,
  "securityGroups": [],
  "displayName": "Tagway",
  "categories": [
    "ANALYTICS",
    "PERSONALIZATION"
  ],
  "brand": {
    "id": "brand_dummy",
    "displayName": ""
  },
  "description": "Starts the tag of a Tagway gateway, tells it consent, and sends events through it.",
  "containerContexts": [
    "WEB"
  ]
}


___TEMPLATE_PARAMETERS___

[
  {
    "type": "SELECT",
    "name": "action",
    "displayName": "What to do",
    "simpleValueType": true,
    "macrosInSelect": false,
    "defaultValue": "start",
    "selectItems": [
      {
        "value": "start",
        "displayValue": "Start the tag"
      },
      {
        "value": "consent",
        "displayValue": "Say what the visitor allows"
      },
      {
        "value": "track",
        "displayValue": "Track an event"
      },
      {
        "value": "page",
        "displayValue": "Track a page view"
      },
      {
        "value": "identify",
        "displayValue": "Identify the user"
      }
    ],
    "help": "Start the tag once, on all pages. All other calls may come before it has loaded: they are kept in their order."
  },
  {
    "type": "TEXT",
    "name": "host",
    "displayName": "Address of the gateway",
    "simpleValueType": true,
    "defaultValue": "__HOST__",
    "help": "Where the gateway is, path included. For another address than the first, add it to the template's permission to inject scripts.",
    "valueValidators": [
      {
        "type": "NON_EMPTY"
      }
    ],
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "TEXT",
    "name": "writeKey",
    "displayName": "Write key",
    "simpleValueType": true,
    "valueValidators": [
      {
        "type": "NON_EMPTY"
      }
    ],
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "CHECKBOX",
    "name": "googleConsent",
    "checkboxText": "Take consent from Google Consent Mode",
    "simpleValueType": true,
    "defaultValue": true,
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ],
    "help": "Nothing is sent until it has spoken. Without it, name a source of consent in the site's settings, or say it with a tag of its own."
  },
  {
    "type": "CHECKBOX",
    "name": "dataLayer",
    "checkboxText": "Send the events of Google Analytics 4's e-commerce off the data layer",
    "simpleValueType": true,
    "defaultValue": false,
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "start",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "TEXT",
    "name": "event",
    "displayName": "Event",
    "simpleValueType": true,
    "help": "Its name in the tracking plan, as product_view.",
    "valueValidators": [
      {
        "type": "NON_EMPTY"
      }
    ],
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "track",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "TEXT",
    "name": "pageName",
    "displayName": "Name of the page",
    "simpleValueType": true,
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "page",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "TEXT",
    "name": "userId",
    "displayName": "Id of the user",
    "simpleValueType": true,
    "help": "Your own id for them. Empty values identify nobody.",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "identify",
        "type": "EQUALS"
      }
    ]
  },
  {
    "type": "SIMPLE_TABLE",
    "name": "values",
    "displayName": "Properties or traits",
    "simpleTableColumns": [
      {
        "defaultValue": "",
        "displayName": "Name",
        "name": "name",
        "type": "TEXT",
        "isUnique": true,
        "valueValidators": [
          {
            "type": "NON_EMPTY"
          }
        ]
      },
      {
        "defaultValue": "",
        "displayName": "Value",
        "name": "value",
        "type": "TEXT"
      }
    ],
    "newRowButtonText": "Add",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "track",
        "type": "EQUALS"
      },
      {
        "paramName": "action",
        "paramValue": "page",
        "type": "EQUALS"
      },
      {
        "paramName": "action",
        "paramValue": "identify",
        "type": "EQUALS"
      }
    ],
    "help": "Names as in the tracking plan; variables keep their type."
  },
  {
    "type": "GROUP",
    "name": "purposes",
    "displayName": "Purposes",
    "groupStyle": "NO_ZIPPY",
    "enablingConditions": [
      {
        "paramName": "action",
        "paramValue": "consent",
        "type": "EQUALS"
      }
    ],
    "subParams": [
      {
        "type": "SELECT",
        "name": "functional",
        "displayName": "Functional",
        "simpleValueType": true,
        "macrosInSelect": true,
        "defaultValue": "",
        "selectItems": [
          {
            "value": "",
            "displayValue": "leave as it is"
          },
          {
            "value": "granted",
            "displayValue": "granted"
          },
          {
            "value": "denied",
            "displayValue": "denied"
          }
        ]
      },
      {
        "type": "SELECT",
        "name": "analytics",
        "displayName": "Analytics",
        "simpleValueType": true,
        "macrosInSelect": true,
        "defaultValue": "",
        "selectItems": [
          {
            "value": "",
            "displayValue": "leave as it is"
          },
          {
            "value": "granted",
            "displayValue": "granted"
          },
          {
            "value": "denied",
            "displayValue": "denied"
          }
        ]
      },
      {
        "type": "SELECT",
        "name": "personalization",
        "displayName": "Personalisation",
        "simpleValueType": true,
        "macrosInSelect": true,
        "defaultValue": "",
        "selectItems": [
          {
            "value": "",
            "displayValue": "leave as it is"
          },
          {
            "value": "granted",
            "displayValue": "granted"
          },
          {
            "value": "denied",
            "displayValue": "denied"
          }
        ]
      },
      {
        "type": "SELECT",
        "name": "advertising",
        "displayName": "Advertising",
        "simpleValueType": true,
        "macrosInSelect": true,
        "defaultValue": "",
        "selectItems": [
          {
            "value": "",
            "displayValue": "leave as it is"
          },
          {
            "value": "granted",
            "displayValue": "granted"
          },
          {
            "value": "denied",
            "displayValue": "denied"
          }
        ]
      },
      {
        "type": "SELECT",
        "name": "sale_or_share",
        "displayName": "Sale or sharing",
        "simpleValueType": true,
        "macrosInSelect": true,
        "defaultValue": "",
        "selectItems": [
          {
            "value": "",
            "displayValue": "leave as it is"
          },
          {
            "value": "granted",
            "displayValue": "granted"
          },
          {
            "value": "denied",
            "displayValue": "denied"
          }
        ]
      }
    ]
  }
]


___SANDBOXED_JS_FOR_WEB_TEMPLATE___

const callInWindow = require('callInWindow');
const copyFromWindow = require('copyFromWindow');
const createQueue = require('createQueue');
const encodeUriComponent = require('encodeUriComponent');
const injectScript = require('injectScript');
const makeTableMap = require('makeTableMap');

// Before the tag has come, its global is an array that takes the calls; there the calls on consent stand by themselves.
const say = (call, first, second) => {
  if (copyFromWindow('tagway.version')) callInWindow('tagway.' + call, first, second);
  else createQueue('tagway')([call.replace('consent.', ''), first, second]);
};

const values = (data.values && makeTableMap(data.values, 'name', 'value')) || {};

const actions = {
  start: () => {
    if (data.googleConsent) say('consent.from', 'google', {});
    if (data.dataLayer) say('use', 'datalayer', {});
    const host = data.host.slice(-1) === '/' ? data.host.slice(0, -1) : data.host;
    const url = host + '/tag/' + encodeUriComponent(data.writeKey) + '.js';
    injectScript(url, data.gtmOnSuccess, data.gtmOnFailure, 'tagway');
  },
  consent: () => {
    const choice = {};
    ['functional', 'analytics', 'personalization', 'advertising', 'sale_or_share'].forEach((purpose) => {
      const state = data[purpose];
      if (state === true || state === 'granted') choice[purpose] = 'granted';
      else if (state === false || state === 'denied') choice[purpose] = 'denied';
    });
    say('consent.set', choice);
  },
  track: () => say('track', data.event, values),
  page: () => (data.pageName ? say('page', data.pageName, values) : say('page', values)),
  identify: () => data.userId && say('identify', data.userId, values),
};

actions[data.action]();
if (data.action !== 'start') data.gtmOnSuccess();


___WEB_PERMISSIONS___

[
  {
    "instance": {
      "key": {
        "publicId": "access_globals",
        "versionId": "1"
      },
      "param": [
        {
          "key": "keys",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway"
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": false
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway.version"
                  },
                  {
                    "type": 8,
                    "boolean": true
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway.page"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway.track"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway.identify"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway.use"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway.consent.set"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {
                    "type": 1,
                    "string": "key"
                  },
                  {
                    "type": 1,
                    "string": "read"
                  },
                  {
                    "type": 1,
                    "string": "write"
                  },
                  {
                    "type": 1,
                    "string": "execute"
                  }
                ],
                "mapValue": [
                  {
                    "type": 1,
                    "string": "tagway.consent.from"
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": false
                  },
                  {
                    "type": 8,
                    "boolean": true
                  }
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  },
  {
    "instance": {
      "key": {
        "publicId": "inject_script",
        "versionId": "1"
      },
      "param": [
        {
          "key": "urls",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 1,
                "string": "__HOST__/tag/*"
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  }
]


___TESTS___

scenarios:
- name: The tag is fetched once from the address of the gateway
  code: |-
    mock('injectScript', (url, onSuccess) => onSuccess());
    runCode({action: 'start', host: 'https://gateway.example/', writeKey: 'wk'});
    assertApi('injectScript').wasCalled();
    assertApi('gtmOnSuccess').wasCalled();
- name: A call before the tag has come is kept
  code: |-
    const kept = [];
    mock('copyFromWindow', () => undefined);
    mock('createQueue', () => (entry) => kept.push(entry));
    runCode({action: 'track', event: 'search', values: [{name: 'query', value: 'lamp'}]});
    assertThat(kept[0][0]).isEqualTo('track');
    assertThat(kept[0][1]).isEqualTo('search');
    assertThat(kept[0][2]).isEqualTo({query: 'lamp'});
- name: A call after it is made
  code: |-
    mock('copyFromWindow', () => '1.0.0');
    mock('callInWindow', (path, choice) => {
      assertThat(path).isEqualTo('tagway.consent.set');
      assertThat(choice).isEqualTo({analytics: 'granted', advertising: 'denied'});
    });
    runCode({action: 'consent', analytics: true, advertising: 'denied', functional: ''});
    assertApi('gtmOnSuccess').wasCalled();


___NOTES___

Served by each gateway at /tag/gtm.tpl with its own address inside.
